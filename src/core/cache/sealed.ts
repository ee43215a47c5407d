import type { SealKey, SealLabel } from '../crypto/keys.ts'
import { open, seal } from '../crypto/seal.ts'
import { reasonOf, SecretsError } from '../errors.ts'
import { lock } from '../files.ts'
import { type CacheEntry, decodeEntries, encodeEntries } from './entries.ts'
import type { SecretCache } from './index.ts'
import type { Shelf } from './shelf.ts'

export interface SealedCacheOptions {
  readonly shelf: Shelf
  readonly key: SealKey
  readonly label: SealLabel
  /** The path whose lock keeps the processes of this machine apart. */
  readonly guard: string
  /** The shelf is this file; `undefined`: it is elsewhere. */
  readonly file: string | undefined
  warn(message: string): void
}

/** Entries under a seal. What does not open counts as absent and is told, never thrown. */
export function sealedCache(options: SealedCacheOptions): SecretCache {
  const { shelf, key, label, guard, warn } = options

  async function read(): Promise<Map<string, CacheEntry>> {
    let sealed: Buffer | undefined
    try {
      sealed = await shelf.read()
      if (!sealed) return new Map()
      const entries = decodeEntries(open(sealed, key, label))
      if (entries) return entries
      warn(`The cached secrets are not used: ${shelf.name} was written by another version of this program.`)
    } catch (error) {
      // What a shelf throws is a sentence with the place, what `open` throws the reason alone.
      warn(
        `The cached secrets are not used. ${sealed ? `${shelf.name}: ${reasonOf(error)}.` : reasonOf(error)}`,
      )
    }
    return new Map()
  }

  async function write(work: () => Promise<void>): Promise<void> {
    try {
      await lock(guard, work)
    } catch (error) {
      if (!(error instanceof SecretsError)) throw error
      warn(`The cached secrets could not be renewed. ${error.message}`)
    }
  }

  return {
    file: options.file,
    turn: `${guard}.fetch`,
    name: shelf.name,
    read,
    async update(change) {
      let failure: { error: unknown } | undefined
      await write(async () => {
        const entries = await read()
        try {
          change(entries)
        } catch (error) {
          failure = { error }
          return
        }
        await shelf.write(seal(encodeEntries(entries), key, label))
      })
      if (failure) throw failure.error
    },
    clear: () => write(() => shelf.remove()),
    close: async () => shelf.close?.(),
  }
}
