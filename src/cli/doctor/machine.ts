import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { openCache } from '../../core/cache/index.ts'
import type { ResolvedConfig } from '../../core/config/resolve.ts'
import { deviceKeyFile, hasEnvironmentKey, projectKeyFile } from '../../core/crypto/keys.ts'
import { formatAge, formatDuration } from '../../core/duration.ts'
import { fileHint, reasonOf, SecretsError } from '../../core/errors.ts'
import type { CheckResult } from '../../core/types.ts'
import { isIgnored, isTracked } from '../ignored.ts'
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

/** Keys, cache, and what is between this machine and others. */
export async function machineChecks(config: ResolvedConfig): Promise<CheckResult[]> {
  const keyFile = projectKeyFile(config.root)
  const project = hasEnvironmentKey()
    ? [
        {
          label: 'project key',
          ok: true,
          detail: process.env.SECRETS_KEY ? 'SECRETS_KEY' : 'SECRETS_PASSPHRASE',
        },
      ]
    : [await keyCheck('project key', keyFile), ...(await gitChecks(keyFile))]
  return [
    nodeCheck(),
    ...project,
    await keyCheck('device key', deviceKeyFile()),
    ...(await cacheChecks(config)),
    ...proxyChecks(),
  ]
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
    return { label, ok: false, detail: `cannot look at ${file}: ${reason}`, hint: fileHint(error) }
  }
}

/** A key in a repository is everybody's who can read it. */
async function gitChecks(file: string): Promise<CheckResult[]> {
  if (!existsSync(file)) return []
  if (await isTracked(file))
    return [
      {
        label: 'project key',
        ok: false,
        detail: `git has ${file}: whoever can read the repository can open the local vault`,
        hint: `git rm --cached ${file}\nThen make a new key: secrets cache rekey`,
      },
    ]
  if ((await isIgnored(file)) !== false) return []
  const hint = 'Add .secrets/ to .gitignore.'
  return [{ label: 'project key', ok: false, detail: `git does not ignore ${file}`, hint }]
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
    if (warnings.length > 0)
      return warnings.map((detail) => {
        return { label: 'cache', ok: false, detail, hint: 'Begin anew: secrets cache clear' }
      })
    await opened.close()
    const where = opened.turn ? `${count(entries.size, 'value')} in ${opened.name}` : 'in memory only'
    const age = Date.now() - Math.min(...[...entries.values()].map(({ fetchedAt }) => fetchedAt))
    if (entries.size === 0 || age <= cache.maxStale) return [{ label: 'cache', ok: true, detail: where }]
    const detail = `${where}, the oldest ${formatAge(age)} old: it stands in for nobody after ${formatDuration(cache.maxStale)}`
    return [
      {
        label: 'cache',
        ok: true,
        detail,
        hint: 'Read anew: secrets refresh. Or remove it: secrets cache clear',
      },
    ]
  } catch (error) {
    if (!(error instanceof SecretsError)) throw error
    return [{ label: 'cache', ok: false, detail: error.message, hint: error.hint }]
  }
}

/** Only the server's address in a proxy's variable is told: there may be a password in it. */
function proxyChecks(): CheckResult[] {
  const set = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY'].flatMap((name) =>
    [name, name.toLowerCase()].filter((each) => process.env[each]),
  )
  if (set.length === 0) return []
  const detail = `${set.join(', ')} set, and not used: Vault, AWS and vault-env servers are asked directly`
  const hint =
    'Where only the proxy reaches them, run where there is a direct way (a VPN, a bastion), or an agent beside it.'
  return [{ label: 'proxy', ok: true, detail, hint }]
}
