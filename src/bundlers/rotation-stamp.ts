import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Session } from './session.ts'

/** What bundlers watch by themselves, as files. */
const HAS_FILES: ReadonlySet<string> = new Set(['local', 'dotenv'])

/** A build that has not ended for good by then (ms) may be a watching one, where a bundler does not say. */
const LASTS = 300

/** Of this process; whoever watches may end without a word. */
const folders = new Set<string>()
/** Whether the end of this process is waited for: once, however often there is no folder in between. */
let listens = false

/**
 * Makes a watching build go again when a value has changed at its provider: bundlers watch files, so there is
 * one, outside the project, which holds a count and is written then. By the time that the build asks for its
 * values, the cache has the new ones.
 */
export class RotationStamp {
  #file: string | undefined
  #count = 0
  #later: NodeJS.Timeout | undefined

  /** Made with the first call. */
  get file(): string {
    if (this.#file === undefined) {
      const folder = mkdtempSync(join(tmpdir(), 'unplugin-secrets-'))
      if (!listens) process.once('exit', removeAll)
      listens = true
      folders.add(folder)
      this.#file = join(folder, 'changes')
      writeFileSync(this.#file, '0')
    }
    return this.#file
  }

  /**
   * Follows a session, across every `prepare` of it, until it is closed.
   * @param all also what the bundler could watch as files, if it watched those that are not there yet
   */
  async follow(session: Session, all = false): Promise<void> {
    const { file } = this
    const touch = (): void => writeFileSync(file, String(++this.#count))
    await session.watch({
      only: ({ type }) => all || !HAS_FILES.has(type),
      onChange: (names) => {
        session.tellChanged(names)
        touch()
      },
      onError: (error) => session.tellProblem(error),
      onRecover: () => {
        session.tellProblem(undefined)
        // A build that has failed meanwhile has nothing else to wait for.
        touch()
      },
    })
  }

  /** As `follow`, once the session has lasted; at once for those that come after it. */
  async followLater(session: Session, isNext = false): Promise<void> {
    if (isNext && this.#later) await this.follow(session)
    this.#later ??= setTimeout(() => void this.follow(session), LASTS).unref()
  }

  remove(): void {
    clearTimeout(this.#later)
    if (this.#file === undefined) return
    const folder = dirname(this.#file)
    rmSync(folder, { recursive: true, force: true })
    folders.delete(folder)
    this.#file = undefined
  }
}

function removeAll(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
}

const stamps = new WeakMap<Session, RotationStamp>()

/** The stamp of a session that several builds have between them. @param all as in `follow` */
export async function changesFileOf(session: Session, all = false): Promise<string> {
  let stamp = stamps.get(session)
  if (!stamp) {
    stamp = new RotationStamp()
    stamps.set(session, stamp)
    await stamp.follow(session, all)
  }
  return stamp.file
}
