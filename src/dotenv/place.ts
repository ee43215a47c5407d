import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parse } from 'dotenv'
import { fileHint, reasonOf, SecretsError } from '../core/errors.ts'
import { userAgent } from '../core/user-agent.ts'
import { serverUrl } from '../providers/vault-env/index.ts'
import { openProject, type VaultEnvProject } from '../providers/vault-env/project.ts'

/** Where values come from, and go. */
export interface PlaceOptions {
  /** The file. Default `.env` in the working folder. */
  path?: string
  /** Default `NODE_ENV`, else `development`. */
  environment?: string
  /** The server. Default `VAULT_URL`, else the hosted service. */
  vaultUrl?: string
}

export type Values = Readonly<Record<string, string>>

/** How long one pull may take in all, in ms: an application waits for it. */
const TIMEOUT = 15_000

export interface Place {
  readonly file: string
  readonly environment: string
  readonly url: string
  /** `undefined`: plain dotenv. */
  readonly key: string | undefined
  /** What the file sets beside the key; not read where the process has the key. */
  readonly local: Values
}

/** @throws SecretsError `FILE_UNREADABLE`; a missing file is an empty one */
export function findPlace(options: PlaceOptions): Place {
  const file = resolve(options.path ?? '.env')
  const given = process.env.VAULT_KEY
  const { VAULT_KEY: own, ...local } = given ? {} : readEnvFile(file)
  return {
    file,
    environment: options.environment ?? (process.env.NODE_ENV || 'development'),
    url: serverUrl(options.vaultUrl),
    key: given || own || undefined,
    local,
  }
}

/** Read by the rules of the dotenv package. */
function readEnvFile(file: string): Record<string, string> {
  try {
    return parse(readFileSync(file))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new SecretsError('FILE_UNREADABLE', `Cannot read ${file}: ${reasonOf(error)}.`, {
      hint: fileHint(error),
    })
  }
}

/** @throws SecretsError `CONFIG_INVALID` for a `VAULT_KEY` that is none */
export function projectOf(place: Place): VaultEnvProject {
  let signal: AbortSignal | undefined
  const context = {
    environment: place.environment,
    userAgent: userAgent(),
    /** From the first question on. */
    get signal() {
      signal ??= AbortSignal.timeout(TIMEOUT)
      return signal
    },
  }
  return openProject({ url: place.url, key: place.key, context })
}

/** As JavaScript turns what JSON can say into text. */
export function textsIn(values: Readonly<Record<string, unknown>>): Values {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value),
    ]),
  )
}

/** Sets what is not set yet, or all of it. */
export function inject(values: Values, override: boolean): void {
  for (const [name, value] of Object.entries(values))
    if (override || !Object.hasOwn(process.env, name)) process.env[name] = value
}
