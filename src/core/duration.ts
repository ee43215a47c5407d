import { SecretsError } from './errors.ts'
import type { Duration } from './types.ts'

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * @returns milliseconds
 * @throws SecretsError `CONFIG_INVALID` for anything that is not a duration
 */
export function parseDuration(value: Duration, owner: string): number {
  if (typeof value === 'number' && value >= 0) return value
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value) : null
  if (match) return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS]
  throw new SecretsError('CONFIG_INVALID', `${owner} is not a duration.`, {
    hint: "Give milliseconds or text like '30s', '5m', '12h', '7d'; Infinity for no end.",
  })
}

/** As a configuration would write it: `'5m'`, `'7d'`, `'Infinity'`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return 'Infinity'
  const unit = (['d', 'h', 'm', 's'] as const).find((each) => ms > 0 && ms % UNITS[each] === 0) ?? 'ms'
  return `${ms / UNITS[unit]}${unit}`
}

/** `3 days`, `5 minutes`, `12 seconds`: how old something is, for a person. */
export function formatAge(ms: number): string {
  const [word, unit]: [string, number] =
    ms >= UNITS.d
      ? ['day', UNITS.d]
      : ms >= UNITS.h
        ? ['hour', UNITS.h]
        : ms >= UNITS.m
          ? ['minute', UNITS.m]
          : ['second', UNITS.s]
  const count = Math.max(0, Math.floor(ms / unit))
  return `${count} ${word}${count === 1 ? '' : 's'}`
}
