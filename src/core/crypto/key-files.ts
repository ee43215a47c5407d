/** Files that hold keys: one a line, the current one first, 64 hexadecimal digits each. */
import { randomBytes } from 'node:crypto'
import {
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileHint, reasonOf, SecretsError } from '../errors.ts'
import { IN_KEYCHAIN, readFromKeychain, storeInKeychain, wantsKeychain } from './keychain.ts'

export const KEY_BYTES = 32

/** Nothing but 32 whole bytes is a key: what is stretched into one (a pass phrase) says so. */
export function parseKey(text: string): Buffer | undefined {
  const trimmed = text.trim()
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex')
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed)) return Buffer.from(trimmed, 'base64')
  return undefined
}

const newKey = (): string => randomBytes(KEY_BYTES).toString('hex')

/** @param prepare runs when the file had to be made. */
export function fileKey(
  path: string,
  create: boolean,
  where: 'file' | 'keychain',
  prepare?: () => void,
): Buffer | undefined {
  return readKeys(path, create, prepare, where)[0]
}

/** @returns nothing where there is no file and none is to be made. */
export function fileKeys(path: string, create: boolean, prepare?: () => void): Buffer[] {
  return readKeys(path, create, prepare, 'file')
}

function readKeys(
  path: string,
  create: boolean,
  prepare: (() => void) | undefined,
  where: 'file' | 'keychain',
): Buffer[] {
  try {
    const text = readKeyFile(path)
    if (text === undefined && !create) return []
    if (text === undefined) {
      createOnce(path, `${where === 'keychain' ? firstPlace() : newKey()}\n`)
      prepare?.()
    }
    // Read back: where two processes made one at the same time, the file says whose stayed.
    const lines = (text ?? readKeyFile(path) ?? '').trim().split(/\s+/)
    const keys = lines.map((line) => parseKey(line.startsWith(IN_KEYCHAIN) ? readFromKeychain(line) : line))
    if (keys.every((key) => key !== undefined)) return keys
  } catch (error) {
    const hint = error instanceof SecretsError ? error.hint : fileHint(error)
    const reason = reasonOf(error).replace(/\.$/, '')
    throw new SecretsError('FILE_UNREADABLE', `Cannot read or make the key file ${path}: ${reason}.`, {
      hint,
    })
  }
  throw new SecretsError('FILE_UNREADABLE', `The key file ${path} is damaged: it does not hold 32 bytes.`, {
    hint: 'Restore it from a backup. If there is none, remove it: what was sealed with it must then be set again.',
  })
}

/** A new key, or the account that the keychain has it under: one of its own, so that two processes that make one at the same time disturb nothing. */
function firstPlace(): string {
  const key = newKey()
  const account = `${IN_KEYCHAIN}${randomBytes(6).toString('hex')}`
  return wantsKeychain() && storeInKeychain(account, key) ? account : key
}

/** Puts a new key in front of those of a file, which is replaced as a whole. */
export function prependKey(path: string): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    writeFileSync(temporary, `${newKey()}\n${readKeyFile(path) ?? ''}`, {
      flag: 'wx',
      mode: 0o600,
      flush: true,
    })
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw new SecretsError('FILE_UNREADABLE', `Cannot write the key file ${path}: ${reasonOf(error)}.`, {
      hint: fileHint(error),
    })
  }
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
  const file = join(root, '.secrets', '.gitignore')
  try {
    createOnce(file, '*\n')
  } catch (error) {
    throw new SecretsError('FILE_UNREADABLE', `Cannot write ${file}: ${reasonOf(error)}.`, {
      hint: fileHint(error),
    })
  }
}
