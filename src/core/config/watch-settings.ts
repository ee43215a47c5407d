import { parseDuration } from '../duration.ts'
import { SecretsError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { Provider, SecretsConfig } from '../types.ts'
import type { ResolvedConfig } from './resolve.ts'

export const DEFAULT_WATCH: ResolvedConfig['watch'] = {
  enabled: true,
  interval: 30_000,
  providers: new Map(),
}

export function watchSettings(
  { watch }: SecretsConfig,
  known: ReadonlyMap<string, Provider>,
): ResolvedConfig['watch'] {
  if (watch === false) return { ...DEFAULT_WATCH, enabled: false }
  const own = Object.entries(watch?.providers ?? {}).map(([name, interval]): [string, number] => {
    if (known.has(name)) return [name, parseDuration(interval, `watch.providers.${name}`)]
    throw new SecretsError(
      'PROVIDER_UNKNOWN',
      `watch.providers names ${name}, which is not configured.${didYouMean(name, known.keys())}`,
      { hint: 'Add it under `providers`, or take it away.' },
    )
  })
  const interval = watch?.interval ?? DEFAULT_WATCH.interval
  return { enabled: true, interval: parseDuration(interval, 'watch.interval'), providers: new Map(own) }
}
