/**
 * `unplugin-secrets/runtime/load`: what the runtime's worker imports to read secrets, and to watch them. Not
 * bundled.
 *
 * @module
 */

import { parseDuration } from '../core/duration.ts'
import { SecretsError } from '../core/errors.ts'
import type { Manifest } from '../core/expose/manifest.ts'
import { lentInterval } from '../core/lent.ts'
import { createSecrets, type Secrets } from '../core/pipeline.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { SecretDeclaration } from '../core/types.ts'
import type { Watch } from '../core/watch.ts'
import type { Answer, Order, WorkerTask } from './fetch.ts'
import type { Interval } from './store.ts'

/** Accepts everything, nothing included: what the build knew to be optional. */
const optional: NonNullable<SecretDeclaration['schema']> = {
  '~standard': { version: 1, vendor: 'unplugin-secrets', validate: (value) => ({ value }) },
}

/**
 * Answers with the texts of a manifest's secrets; then, where something was lent or an interval is given, with
 * every change, until it is told to close. What was lent ends some day, so it is watched in any case.
 */
export async function serveManifest({ manifest, signal, port, interval, known }: WorkerTask): Promise<void> {
  const say = (answer: Answer): void => port.postMessage(answer)
  const reach = (state: 1 | 2): void => {
    Atomics.store(signal, 0, state)
    Atomics.notify(signal, 0)
  }
  let secrets: Secrets | undefined
  try {
    secrets = await openManifest(manifest)
    const opened = secrets
    // Who has values already goes on where they cannot be read just now.
    let latest = known ? undefined : await opened.load()
    let watch: Watch | undefined
    const follow = async (every: Interval | undefined): Promise<void> => {
      watch?.stop()
      watch = undefined
      const asked = every === undefined ? undefined : parseDuration(every, 'interval')
      const often = lentInterval(latest, asked)
      if (often === undefined) return
      watch = await opened.watch({
        ...(latest && { from: latest }),
        interval: Math.min(often, asked ?? opened.config.watch.interval),
        onChange(_, snapshot) {
          latest = snapshot
          say({ texts: textsOf(snapshot) })
        },
        onError: (error) => say({ error: error.format() }),
        onRecover: () => say({ recovered: true }),
      })
    }
    const close = async (): Promise<void> => {
      await opened.close()
      reach(2)
      port.close()
    }
    const obey = async (order: Order): Promise<void> => {
      if (order !== 'close') await follow(order.watch)
      if (!watch || order === 'close') await close()
    }
    await follow(interval)
    if (watch) port.on('message', (order: Order) => void obey(order))
    else await opened.close()
    if (latest) say({ texts: textsOf(latest), stays: watch !== undefined })
    reach(watch ? 1 : 2)
  } catch (error) {
    await secrets?.close()
    say({ error: error instanceof SecretsError ? error.format() : String((error as Error).message) })
    reach(2)
  }
}

function textsOf(snapshot: Snapshot): Record<string, string> {
  return Object.fromEntries(snapshot.names().map((name) => [name, snapshot.get(name)!.reveal()]))
}

/** @throws SecretsError for what is kept in a provider that cannot be made again from data */
function openManifest(manifest: Manifest): Promise<Secrets> {
  const secretsOf = Object.entries(manifest.secrets)
  const known = ['env', ...Object.keys(manifest.providers)]
  const lost = secretsOf.filter(([name, { from }]) => {
    return from !== undefined && process.env[name] === undefined && !known.includes(from.split(':')[0]!)
  })
  if (lost.length > 0) {
    throw new SecretsError(
      'UNSUPPORTED',
      `${lost.map(([name]) => name).join(', ')}: kept in a provider of your own, which a built server cannot make again.`,
      { hint: 'Start the server with `secrets run`, or set these names as variables.' },
    )
  }
  const declarations = secretsOf.map(([name, { from, template, mode, optional: isOptional }]) => {
    const declaration: SecretDeclaration =
      template === undefined ? { mode, from: from ?? `env:${name}` } : { mode, template }
    if (isOptional) declaration.schema = optional
    return [name, declaration] as const
  })
  return createSecrets({
    configFile: false,
    environment: manifest.environment,
    ...(manifest.profile === null ? {} : { profile: manifest.profile, profiles: { [manifest.profile]: {} } }),
    providers: { env: { type: 'env' }, ...(manifest.providers as Record<string, { type: string }>) },
    secrets: Object.fromEntries(declarations),
  })
}
