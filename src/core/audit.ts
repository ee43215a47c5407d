import { mkdir, open } from 'node:fs/promises'
import { hostname, userInfo } from 'node:os'
import { dirname } from 'node:path'
import type { ResolvedConfig } from './config/resolve.ts'
import { fileHint, reasonOf, SecretsError } from './errors.ts'
import type { Snapshot } from './snapshot.ts'

/** What happened: names, places and counts. A field that could hold a value does not belong here. */
export type AuditEvent =
  | { readonly action: 'load' | 'refresh'; readonly snapshot: Snapshot }
  | { readonly action: 'load' | 'refresh'; readonly error: unknown }
  | { readonly action: 'cache clear' | 'cache rekey' }
  | {
      readonly action: 'write' | 'remove' | 'rollback' | 'reveal'
      readonly provider: string
      readonly path: string
      readonly field: string | undefined
    }
  /** `removed`: the source was taken away. */
  | { readonly action: 'migrate'; readonly from: string; readonly to: string; readonly removed: boolean }
  | { readonly action: 'link' | 'unlink'; readonly reference: string }

/**
 * Appends one line of JSON to the audit log, if there is one: in one write to a file opened for appending,
 * so that the lines of processes that write at once stay whole.
 * @throws SecretsError FILE_UNREADABLE: a log that silently stops would be worth nothing
 */
export async function audit(config: ResolvedConfig, event: AuditEvent): Promise<void> {
  if (config.audit === undefined) return
  const line = JSON.stringify({
    at: new Date().toISOString(),
    user: userName(),
    host: hostname(),
    pid: process.pid,
    action: event.action,
    environment: config.environment,
    profile: config.profile ?? null,
    ...detailsOf(event),
  })
  try {
    await mkdir(dirname(config.audit), { recursive: true, mode: 0o700 })
    const handle = await open(config.audit, 'a', 0o600)
    try {
      await handle.write(`${line}\n`)
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw new SecretsError(
      'FILE_UNREADABLE',
      `Cannot write the audit log ${config.audit}: ${reasonOf(error)}.`,
      { hint: fileHint(error) },
    )
  }
}

function detailsOf(event: AuditEvent): object {
  if ('error' in event) {
    const { error } = event
    if (!(error instanceof SecretsError)) return { error: reasonOf(error) }
    return { error: [error, ...error.problems].map(({ code }) => code) }
  }
  if ('path' in event) {
    const { provider, path, field = null } = event
    return { provider, path, field }
  }
  if (!('snapshot' in event)) {
    const { action: _, ...details } = event
    return details
  }
  const { snapshot } = event
  return {
    secrets: snapshot.names().map((name) => {
      const { source, provider, reference, version, stale } = snapshot.meta(name)!
      return { name, source, provider, reference, version, stale }
    }),
  }
}

/** A user without a name (a container's number) has none. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? 'unknown')
  }
}
