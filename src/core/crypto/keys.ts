/**
 * Keys for what is sealed on this machine. Two halves in two places: the project key (in the project,
 * or `SECRETS_KEY`) and the device secret (in the user's folder). A copy of the project alone, or of
 * the home folder alone, opens nothing.
 */
import { createHash, createHmac, createSecretKey, hkdfSync, type KeyObject, scryptSync } from 'node:crypto'
import { join } from 'node:path'
import { SecretsError } from '../errors.ts'
import { configFolder } from '../files.ts'
import { fileKey, fileKeys, ignoreFolder, KEY_BYTES, parseKey, prependKey } from './key-files.ts'

export { ignoreFolder } from './key-files.ts'

/** What a sealed thing is for. The number stands in its header: never reuse one. */
export const PURPOSES = { cache: 1, local: 2, sealed: 3, baseline: 4, shared: 5 } as const
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

const MAKE_ONE = 'Make one with: openssl rand -hex 32'

/** Where the project's half lives when `SECRETS_KEY` is not set. */
export function projectKeyFile(root: string): string {
  return join(root, '.secrets', 'project.key')
}

/** Where the machine's half lives. */
export function deviceKeyFile(): string {
  return join(configFolder(), 'device.key')
}

/** Whether the environment gives the project key; empty counts as unset, as CI gives it to forks. */
export function hasEnvironmentKey(): boolean {
  return isSet(process.env.SECRETS_KEY) || isSet(process.env.SECRETS_PASSPHRASE)
}

const isSet = (variable: string | undefined): boolean => Boolean(variable?.trim())

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
  return loadKeyring(root, options)[0]
}

/**
 * As `loadKeys`, and behind it the keys that were made of earlier project keys: they open, and seal nothing
 * any more. Empty where something is missing.
 */
export function loadKeyring(root: string, options: { create: boolean }): KeyObject[] {
  const projects = projectKeys(root, options)
  if (projects.length === 0) return []
  const device = fileKey(deviceKeyFile(), options.create, 'keychain')
  if (!device) return []
  return projects.map((project) => createSecretKey(createHmac('sha256', project).update(device).digest()))
}

/** As `loadKeyring`, of the project's half alone: for what several machines open. */
export function loadProjectKeyring(root: string, options: { create: boolean }): KeyObject[] {
  return projectKeys(root, options).map((project) => createSecretKey(project))
}

/**
 * `SECRETS_KEY` alone, for what has to open on another machine: a server bundle's values. The purpose keeps
 * its keys apart from those that are made of both halves.
 * @throws SecretsError KEY_MISSING when it is not set, or is no key
 */
export function loadEnvironmentKey(): KeyObject {
  const key = parseVariable('SECRETS_KEY')
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
  return loadProjectKeyring(root, options)[0]
}

/** The current one first. */
function projectKeys(root: string, { create }: { create: boolean }): Buffer[] {
  const given = environmentKey(root, create)
  const previous = parseVariable('SECRETS_KEY_PREVIOUS')
  const own = given ? [given] : fileKeys(projectKeyFile(root), create, () => ignoreFolder(root))
  return previous && own.length > 0 ? [...own, previous] : own
}

/**
 * Makes a new project key and keeps the older ones below it, unless the environment gives the key.
 * @returns whether there is a new one
 * @throws SecretsError as `loadKeys`
 */
export function rotateProjectKey(root: string): boolean {
  if (hasEnvironmentKey()) return false
  const file = projectKeyFile(root)
  if (fileKeys(file, true, () => ignoreFolder(root)).length > 0) prependKey(file)
  return true
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

function environmentKey(root: string, create: boolean): Buffer | undefined {
  return (
    parseVariable('SECRETS_KEY') ?? (process.env.SECRETS_PASSPHRASE ? passphraseKey(root, create) : undefined)
  )
}

function parseVariable(name: 'SECRETS_KEY' | 'SECRETS_KEY_PREVIOUS'): Buffer | undefined {
  const text = process.env[name]
  if (!isSet(text)) return undefined
  const key = parseKey(text ?? '')
  if (key) return key
  throw new SecretsError(
    'KEY_MISSING',
    `${name} is not a key: it must be 32 bytes, as 64 hexadecimal digits or as base64.`,
    { hint: MAKE_ONE },
  )
}

/** Below, guessing is cheaper than the work it is meant to cost. */
const SHORTEST_PASSPHRASE = 12
/** scrypt (RFC 7914) with what OWASP's password storage cheat sheet asks for first: 128 MiB, a third of a second. */
const COST = { N: 2 ** 17, r: 8, p: 1, maxmem: 2 ** 28 }
/** By pass phrase and salt: a process pays once. */
const stretched = new Map<string, Buffer>()

/** A pass phrase in place of a key. Its salt is made once, beside where the project's key would be. */
function passphraseKey(root: string, create: boolean): Buffer | undefined {
  const phrase = process.env.SECRETS_PASSPHRASE?.trim().normalize('NFC')
  if (!phrase) return undefined
  if (phrase.length < SHORTEST_PASSPHRASE)
    throw new SecretsError(
      'KEY_MISSING',
      `SECRETS_PASSPHRASE is too short: it must have ${SHORTEST_PASSPHRASE} characters at least.`,
      { hint: `A key needs no pass phrase. ${MAKE_ONE}` },
    )
  const salt = fileKey(passphraseSaltFile(root), create, 'file', () => ignoreFolder(root))
  if (!salt) return undefined
  const name = createHash('sha256').update(phrase).update(salt).digest('hex')
  const key = stretched.get(name) ?? scryptSync(phrase, salt, KEY_BYTES, COST)
  stretched.set(name, key)
  return key
}

/** 32 random bytes that are no secret, but must not be lost. */
export function passphraseSaltFile(root: string): string {
  return join(root, '.secrets', 'passphrase.salt')
}
