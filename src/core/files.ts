import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileHint, reasonOf, SecretsError } from './errors.ts'

/**
 * Replaces a file as a whole: whoever reads it, or is killed while writing it, finds the old content
 * or the new one and nothing between. Missing folders are made with mode 0700. A link at `path` is
 * replaced, not followed.
 * @param options.mode of the new file, `0o600` unless told.
 * @throws SecretsError FILE_UNREADABLE
 */
export async function writeAtomic(
  path: string,
  data: string | Uint8Array,
  { mode = 0o600 }: { mode?: number } = {},
): Promise<void> {
  const folder = dirname(path)
  // A sibling, because rename is atomic inside one file system only.
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  if (unfinished.size === 0) process.once('exit', removeUnfinished)
  unfinished.add(temporary)
  try {
    await makeFolder(folder)
    try {
      const handle = await open(temporary, 'wx', mode)
      try {
        await handle.writeFile(data)
        // Without it a power cut may leave the new name with no content.
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  } catch (error) {
    throw new SecretsError('FILE_UNREADABLE', `Cannot write ${path}: ${reasonOf(error)}.`, {
      hint: fileHint(error),
    })
  } finally {
    unfinished.delete(temporary)
    if (unfinished.size === 0) process.off('exit', removeUnfinished)
  }
  await syncFolder(folder)
  await sweep(folder, basename(path))
}

/** What is being written: a Ctrl-C in between takes it away. */
const unfinished = new Set<string>()

function removeUnfinished(): void {
  for (const file of unfinished) rmSync(file, { force: true })
}

/** With those above it. Of a disk that cannot be written Node says ENOENT then, which helps nobody. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    let missing = folder
    while (!existsSync(dirname(missing))) missing = dirname(missing)
    await mkdir(missing, { mode: 0o700 })
    await mkdir(folder, { recursive: true, mode: 0o700 })
  }
}

/** No write takes so long, in ms. */
const ABANDONED_AFTER = 3_600_000

/** Removes what writers of this file left when they were killed. It is sealed, but it adds up. */
async function sweep(folder: string, name: string): Promise<void> {
  try {
    const left = (await readdir(folder)).filter(
      (each) => each.startsWith(`.${name}.`) && each.endsWith('.tmp'),
    )
    for (const each of left) {
      const file = join(folder, each)
      if (Date.now() - (await stat(file)).mtimeMs > ABANDONED_AFTER) await rm(file, { force: true })
    }
  } catch {
    // Somebody else removed it, or the folder cannot be listed: there is another write later.
  }
}

/** Makes the rename itself last. Windows and some file systems cannot open a folder: then it is up to them. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch {}
}

/**
 * @returns the content, or `undefined` when it is certain that there is no such file.
 * @throws SecretsError FILE_UNREADABLE for everything else.
 */
export async function readIfExists(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    return absent(path, error)
  }
}

/** As `readIfExists`, for a small file of ours: Node's promises cost a start half a millisecond of CPU. */
export function readOwnFile(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    return absent(path, error)
  }
}

function absent(path: string, error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
  throw new SecretsError('FILE_UNREADABLE', `Cannot read ${path}: ${reasonOf(error)}.`, {
    hint: fileHint(error),
  })
}

/** A holder that has not touched its lock for so long (ms) is dead, unless told otherwise. */
const STALE_AFTER = 10_000

/** The last one in line for each path, in this process: waiting for it needs no polling. */
const lines = new Map<string, Promise<unknown>>()

/**
 * Runs `work` while no other process (nor another call here) runs one for the same path. The mark is
 * a folder `path.lock`; one that a killed process left behind is taken over. Not reentrant.
 * @param options.wait how long to wait for other processes, in ms; 20,000 unless told.
 * @param options.stale how long a holder may be silent until it counts as dead, in ms, 2,000 at least; 10,000 unless told.
 * @throws SecretsError TIMEOUT when another process holds it for longer, FILE_UNREADABLE when it cannot be made.
 */
export async function lock<T>(
  path: string,
  work: () => Promise<T>,
  { wait = 20_000, stale = STALE_AFTER }: { wait?: number; stale?: number } = {},
): Promise<T> {
  const turn = (lines.get(path) ?? Promise.resolve()).then(() => locked(path, work, wait, stale))
  const settled = turn.then(
    () => {},
    () => {},
  )
  lines.set(path, settled)
  try {
    return await turn
  } finally {
    if (lines.get(path) === settled) lines.delete(path)
  }
}

async function locked<T>(path: string, work: () => Promise<T>, wait: number, stale: number): Promise<T> {
  const release = await acquire(path, Date.now() + wait, stale).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ELOCKED')
      throw new SecretsError('TIMEOUT', `Another process has held ${path} for more than ${wait / 1000} s.`, {
        hint: `Wait for it, or end it. If there is none, remove the folder ${path}.lock.`,
      })
    throw new SecretsError('FILE_UNREADABLE', `Cannot lock ${path}: ${reasonOf(error)}.`, {
      hint: fileHint(error),
    })
  })
  try {
    return await work()
  } finally {
    // Fails only when the lock was taken over: then it is not ours to release.
    await release().catch(() => {})
  }
}

/** Locks that are being taken at this moment: made perhaps, and not known to be ours yet. */
const taking = new Set<Promise<unknown>>()

/** Whoever ends the process at once waits for this: a lock made in that moment would stay behind. */
export async function locksTaken(): Promise<void> {
  while (taking.size > 0) await Promise.allSettled(taking)
}

/** Asks again by itself: the library's retries repeat what cannot succeed (a read-only folder) as well. */
async function acquire(path: string, deadline: number, stale: number): Promise<() => Promise<void>> {
  // Only writers come here: a warm start reads and never pays for this import.
  const lockfile = (await import('proper-lockfile')).default
  for (;;) {
    await makeFolder(dirname(path))
    try {
      const taken = lockfile.lock(path, {
        realpath: false,
        stale,
        // Called from a timer when the machine slept past `stale` and another process took over. The
        // default throws there, which ends the process; files are replaced whole, so the worst that
        // can happen is that one of two changes made in that moment is lost.
        onCompromised: () => {},
      })
      taking.add(taken)
      return await taken.finally(() => taking.delete(taken))
    } catch (error) {
      // ENOENT: two took over from the same dead holder, and one of them removed the other's lock.
      const { code } = error as NodeJS.ErrnoException
      if ((code !== 'ELOCKED' && code !== 'ENOENT') || Date.now() >= deadline) throw error
    }
    await sleep(10 + Math.random() * 40)
  }
}

/** What costs only time to lose. `$XDG_CACHE_HOME` wins on every platform. */
export function cacheFolder(): string {
  return userFolder('XDG_CACHE_HOME', { unix: '.cache', mac: 'Library/Caches', windows: 'Cache' })
}

/** What must be kept: the device secret. `$XDG_CONFIG_HOME` wins on every platform. */
export function configFolder(): string {
  return userFolder('XDG_CONFIG_HOME', {
    unix: '.config',
    mac: 'Library/Application Support',
    windows: 'Config',
  })
}

function userFolder(variable: string, below: { unix: string; mac: string; windows: string }): string {
  const chosen = process.env[variable]
  // The XDG specification: a relative path is to be ignored.
  if (chosen && isAbsolute(chosen)) return join(chosen, 'unplugin-secrets')
  if (process.platform === 'win32') {
    const local = process.env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local')
    return join(local, 'unplugin-secrets', below.windows)
  }
  return join(homedir(), process.platform === 'darwin' ? below.mac : below.unix, 'unplugin-secrets')
}
