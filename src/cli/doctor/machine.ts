import { stat } from 'node:fs/promises'
import { openCache } from '../../core/cache/index.ts'
import type { ResolvedConfig } from '../../core/config/resolve.ts'
import { deviceKeyFile, hasEnvironmentKey, projectKeyFile } from '../../core/crypto/keys.ts'
import { reasonOf, SecretsError } from '../../core/errors.ts'
import type { CheckResult } from '../../core/types.ts'
import { count } from '../output.ts'

/** The versions that package.json names under `engines`. */
export function nodeCheck(): CheckResult {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const ok = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22
  const detail = `${process.versions.node}, ${process.platform}`
  return ok
    ? { label: 'Node', ok, detail }
    : { label: 'Node', ok, detail, hint: 'Use 20.19, 22.12 or later.' }
}

/** Keys and cache. */
export async function machineChecks(config: ResolvedConfig): Promise<CheckResult[]> {
  const project = hasEnvironmentKey()
    ? {
        label: 'project key',
        ok: true,
        detail: process.env.SECRETS_KEY ? 'SECRETS_KEY' : 'SECRETS_PASSPHRASE',
      }
    : await keyCheck('project key', projectKeyFile(config.root))
  return [nodeCheck(), project, await keyCheck('device key', deviceKeyFile()), ...(await cacheChecks(config))]
}

async function keyCheck(label: string, file: string): Promise<CheckResult> {
  try {
    const { mode } = await stat(file)
    const open = process.platform !== 'win32' && (mode & 0o077) !== 0
    if (!open) return { label, ok: true, detail: file }
    const detail = `others on this machine may read ${file} (mode ${(mode & 0o777).toString(8)})`
    return { label, ok: false, detail, hint: `chmod 600 ${file}` }
  } catch (error) {
    const reason = reasonOf(error)
    if (reason === 'ENOENT') return { label, ok: true, detail: 'none yet: made when something is stored' }
    return { label, ok: false, detail: `cannot look at ${file}: ${reason}` }
  }
}

async function cacheChecks(config: ResolvedConfig): Promise<CheckResult[]> {
  if (config.cache === false) return [{ label: 'cache', ok: true, detail: 'turned off' }]
  const { root, profile, environment, cache } = config
  const warnings: string[] = []
  try {
    const opened = openCache({
      root,
      profile,
      environment,
      directory: cache.directory,
      storage: cache.storage,
      warn: (message) => warnings.push(message),
    })
    const entries = await opened.read()
    if (warnings.length > 0) return warnings.map((detail) => ({ label: 'cache', ok: false, detail }))
    await opened.close()
    const detail = opened.turn ? `${count(entries.size, 'value')} in ${opened.name}` : 'in memory only'
    return [{ label: 'cache', ok: true, detail }]
  } catch (error) {
    if (!(error instanceof SecretsError)) throw error
    return [{ label: 'cache', ok: false, detail: error.message, hint: error.hint }]
  }
}
