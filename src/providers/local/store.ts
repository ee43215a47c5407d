import { resolve } from 'node:path'
import {
  deriveKey,
  deviceKeyFile,
  hasEnvironmentKey,
  loadKeyring,
  loadKeys,
  projectKeyFile,
  type SealLabel,
} from '../../core/crypto/keys.ts'
import { openWithAny, seal } from '../../core/crypto/seal.ts'
import { SecretsError } from '../../core/errors.ts'
import { lock, readIfExists, writeAtomic } from '../../core/files.ts'

export interface LocalValue {
  readonly value: string
  /** The vault's revision that wrote it: no two writes share one. */
  readonly version: number
  /** Unix time in ms. */
  readonly updatedAt: number
}

export interface LocalEntry {
  /** For every environment without a value of its own; absent when only some have one. */
  readonly shared?: LocalValue
  readonly environments?: Readonly<Record<string, LocalValue>>
}

/** What is in the file. */
export interface LocalContent {
  readonly format: 1
  /** Counts the writes. */
  readonly revision: number
  /** Unix time in ms of the last write. */
  readonly updatedAt: number
  readonly entries: ReadonlyMap<string, LocalEntry>
}

/** The file may be renamed or moved with its project, so no path is part of it; the keys tell projects apart. */
const LABEL: SealLabel = { purpose: 'local', scope: 'local' }

/** The sealed file: each call reads it anew, because other processes write it too. */
export class LocalStore {
  /** Absolute. */
  readonly file: string
  readonly #root: string

  constructor(root: string, file: string) {
    this.#root = root
    this.file = resolve(root, file)
  }

  /**
   * @returns `undefined` when there is no file yet.
   * @throws SecretsError KEY_MISSING, SEAL_BROKEN or FILE_UNREADABLE, naming the file and what to do.
   */
  async read(): Promise<LocalContent | undefined> {
    const sealed = await readIfExists(this.file)
    if (!sealed) return undefined
    // Not made here: a new key could not open what is there, and would look as if it were the old one.
    const halves = loadKeyring(this.#root, { create: false })
    if (halves.length === 0) throw this.#wrongKey('its key is missing')
    let plain: Buffer
    try {
      const keys = halves.map((each) => deriveKey(each, LABEL))
      plain = openWithAny(sealed, keys, LABEL)
    } catch (error) {
      if (!(error instanceof SecretsError)) throw error
      throw error.code === 'KEY_MISSING' ? this.#wrongKey(error.message) : this.#damaged(error.message)
    }
    const content = parseContent(plain)
    if (!content) throw this.#damaged('it was written by a version of this program with another format')
    return content
  }

  /**
   * Reads, changes and writes under a lock. A file that cannot be opened is never written.
   * @param change gets what is there and the stamp of this write; `undefined`: nothing to write.
   * @throws as `read`, and TIMEOUT when another process holds the lock for too long.
   */
  async update(
    change: (
      entries: ReadonlyMap<string, LocalEntry>,
      stamp: Omit<LocalValue, 'value'>,
    ) => ReadonlyMap<string, LocalEntry> | undefined,
  ): Promise<void> {
    await lock(this.file, async () => {
      const before = await this.read()
      const stamp = { version: (before?.revision ?? 0) + 1, updatedAt: Date.now() }
      const entries = change(before?.entries ?? new Map(), stamp)
      if (!entries) return
      const content = {
        format: 1,
        revision: stamp.version,
        updatedAt: stamp.updatedAt,
        entries: [...entries],
      }
      const keys = loadKeys(this.#root, { create: true })!
      await writeAtomic(this.file, seal(Buffer.from(JSON.stringify(content)), deriveKey(keys, LABEL), LABEL))
    })
  }

  #wrongKey(reason: string): SecretsError {
    const project = hasEnvironmentKey() ? 'SECRETS_KEY' : projectKeyFile(this.#root)
    return new SecretsError('KEY_MISSING', `Cannot open the local vault ${this.file}: ${reason}.`, {
      hint: [
        `It was written with another ${project} or ${deviceKeyFile()}: restore the one that is missing or wrong.`,
        'If it is gone for good, move the vault away and set its values again.',
      ].join('\n'),
    })
  }

  #damaged(reason: string): SecretsError {
    return new SecretsError('SEAL_BROKEN', `Cannot open the local vault ${this.file}: ${reason}.`, {
      hint: 'Restore it from a backup, or move it away and set its values again. It is not overwritten.',
    })
  }
}

/** @returns `undefined` for anything that is not exactly what `update` writes. */
function parseContent(plain: Buffer): LocalContent | undefined {
  try {
    const { format, revision, updatedAt, entries } = JSON.parse(plain.toString()) as Record<string, unknown>
    if (format !== 1 || !isCount(revision) || !isCount(updatedAt) || !Array.isArray(entries)) return undefined
    if (!(entries as unknown[]).every(isNamedEntry)) return undefined
    return { format, revision, updatedAt, entries: new Map(entries as [string, LocalEntry][]) }
  } catch {
    return undefined
  }
}

function isNamedEntry(pair: unknown): boolean {
  if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string' || !isObject(pair[1]))
    return false
  const { shared, environments } = pair[1]
  return (
    (shared === undefined || isValue(shared)) &&
    (environments === undefined || (isObject(environments) && Object.values(environments).every(isValue)))
  )
}

function isValue(value: unknown): boolean {
  return (
    isObject(value) && typeof value.value === 'string' && isCount(value.version) && isCount(value.updatedAt)
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value)
}
