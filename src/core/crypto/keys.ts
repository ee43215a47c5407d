/**
 * Keys for what is sealed on this machine. Two halves in two places: the project key (in the project,
 * or `SECRETS_KEY`) and the device secret (in the user's folder). A copy of the project alone, or of
 * the home folder alone, opens nothing.
 */
import { createHash, createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'
import { constants, copyFileSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { reasonOf, SecretsError } from '../errors.ts'
import { configFolder } from '../files.ts'

/** What a sealed thing is for. The number stands in its header: never reuse one. */
export const PURPOSES = { cache: 1, local: 2, sealed: 3, baseline: 4 } as const
export type Purpose = keyof typeof PURPOSES

/** Which sealed thing: a key for one label opens nothing that was sealed under another. */
export interface SealLabel {
  readonly purpose: Purpose
  /** What it belongs to: any text that tells it from its siblings. Only its hash is written. */
  readonly scope: string
}

/** A key for one label. A `KeyObject` prints as `SecretKeyObject {}`. */
export interface SealKey {
  readonly secret: KeyObject
  /** 8 bytes in the header that tell a wrong key from damage. */
  readonly id: Buffer
}

const KEY_BYTES = 32
const MAKE_ONE = 'Make one with: openssl rand -hex 32'

/** Where the project's half lives when `SECRETS_KEY` is not set. */
export function projectKeyFile(root: string): string {
  return join(root, '.secrets', 'project.key')
}

/** Where the machine's half lives. */
export function deviceKeyFile(): string {
  return join(configFolder(), 'device.key')
}

/** The project key that the environment gives; empty counts as unset, as CI gives it to forks. */
export function hasEnvironmentKey(): boolean {
  return Boolean(process.env.SECRETS_KEY?.trim())
}

/**
 * Both halves in one.
 *
 * The device secret is mixed in also where `SECRETS_KEY` is set, in CI too: whoever learns that
 * variable (it goes to every job) must not be able to open the files of a laptop. The price is that
 * two CI machines cannot open each other's cache; sharing one is a matter for a backend with its own key.
 * @param options.create makes what is missing; without, something missing gives `undefined`, so that
 * looking never leaves files behind.
 * @throws SecretsError KEY_MISSING for a `SECRETS_KEY` that is none, FILE_UNREADABLE for a key file that is
 * damaged or cannot be read or made.
 */
export function loadKeys(root: string, options: { create: boolean }): KeyObject | undefined {
  const project = environmentKey() ?? fileKey(projectKeyFile(root), options.create, () => ignoreFolder(root))
  if (!project) return undefined
  const device = fileKey(deviceKeyFile(), options.create)
  if (!device) return undefined
  return createSecretKey(createHmac('sha256', project).update(device).digest())
}

/**
 * `SECRETS_KEY` alone, for what has to open on another machine: a server bundle's values. The purpose keeps
 * its keys apart from those that are made of both halves.
 * @throws SecretsError KEY_MISSING when it is not set, or is no key
 */
export function loadEnvironmentKey(): KeyObject {
  const key = environmentKey()
  if (key) return createSecretKey(key)
  throw new SecretsError('KEY_MISSING', "server: 'sealed' needs SECRETS_KEY, and it is not set.", {
    hint: `${MAKE_ONE}\nThe build and the started server need the same one. Nothing takes its place.`,
  })
}

/**
 * The project's half alone, for what a team has in common: the baseline of accepted findings. The purpose
 * keeps its keys apart from those that are made of both halves.
 * @throws SecretsError as `loadKeys`
 */
export function loadProjectKey(root: string, options: { create: boolean }): KeyObject | undefined {
  const project = environmentKey() ?? fileKey(projectKeyFile(root), options.create, () => ignoreFolder(root))
  return project && createSecretKey(project)
}

/** HKDF-SHA256 (RFC 5869): the scope's hash as salt, the purpose in the info. */
export function deriveKey(halves: KeyObject, label: SealLabel): SealKey {
  const info = `unplugin-secrets/${label.purpose}/v1`
  const secret = createSecretKey(
    Buffer.from(hkdfSync('sha256', halves, scopeHash(label.scope), info, KEY_BYTES)),
  )
  return { secret, id: keyed(secret, 'key-id').subarray(0, 8) }
}

/** A file name that says nothing to whoever has no key. */
export function keyedFileName(key: SealKey): string {
  return `${keyed(key.secret, 'file-name').subarray(0, 16).toString('hex')}.sealed`
}

/** For one use of a key that must not meet another one. */
export function subkey(key: SealKey, what: string): Buffer {
  return keyed(key.secret, what)
}

export function scopeHash(scope: string): Buffer {
  return createHash('sha256').update(scope).digest()
}

function keyed(secret: KeyObject, what: string): Buffer {
  return createHmac('sha256', secret).update(`unplugin-secrets/${what}/v1`).digest()
}

function environmentKey(): Buffer | undefined {
  if (!hasEnvironmentKey()) return undefined
  const key = decodeKey(process.env.SECRETS_KEY ?? '')
  if (!key)
    throw new SecretsError(
      'KEY_MISSING',
      'SECRETS_KEY is not a key: it must be 32 bytes, as 64 hexadecimal digits or as base64.',
      { hint: MAKE_ONE },
    )
  return key
}

/** Nothing but 32 whole bytes is a key: stretching a pass phrase into one would hide how weak it is. */
function decodeKey(text: string): Buffer | undefined {
  const trimmed = text.trim()
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex')
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) return Buffer.from(trimmed, 'base64')
  return undefined
}

function fileKey(path: string, create: boolean, prepare?: () => void): Buffer | undefined {
  try {
    const text = readKeyFile(path)
    if (text === undefined && !create) return undefined
    if (text === undefined) {
      createOnce(path, `${randomBytes(KEY_BYTES).toString('hex')}\n`)
      prepare?.()
    }
    // Read back: where two processes made one at the same time, the file says whose stayed.
    const key = decodeKey(text ?? readKeyFile(path) ?? '')
    if (key) return key
  } catch (error) {
    throw new SecretsError('FILE_UNREADABLE', `Cannot read or make the key file ${path}: ${reasonOf(error)}.`)
  }
  throw new SecretsError('FILE_UNREADABLE', `The key file ${path} is damaged: it does not hold 32 bytes.`, {
    hint: 'Restore it from a backup. If there is none, remove it: what was sealed with it must then be set again.',
  })
}

function readKeyFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Makes a file that is whole from its first moment, and leaves alone one that is there. */
function createOnce(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    writeFileSync(temporary, text, { flag: 'wx', mode: 0o600, flush: true })
    try {
      linkSync(temporary, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return
      // A file system without hard links.
      copyFileSync(temporary, path, constants.COPYFILE_EXCL)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** What stands in `.secrets/` must not be committed, whatever the project's own ignore file says. */
export function ignoreFolder(root: string): void {
  createOnce(join(root, '.secrets', '.gitignore'), '*\n')
}
