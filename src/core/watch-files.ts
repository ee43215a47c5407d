import { type FSWatcher, lstatSync, watch } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Several events of one save are one change. ms */
const SETTLES_WITHIN = 40
/** A file that is as young as this (ms) may have changed after it was read and before it was watched. */
const YOUNG = 10_000

/**
 * Tells when one of the files has changed. Watched are their folders, so a file that is replaced, removed,
 * or made later stays watched; so does a folder that is not there yet. A FIFO is left alone: what it gives
 * can be read once, by whoever it was made for. Keeps no process alive.
 * @param changed may be called too often, never too seldom
 * @returns how to stop
 */
export function watchFiles(files: readonly string[], changed: () => void): () => void {
  const byFolder = new Map<string, Set<string>>()
  for (const file of files) {
    const names = byFolder.get(dirname(file)) ?? new Set()
    byFolder.set(dirname(file), names.add(basename(file)))
  }
  let timer: NodeJS.Timeout | undefined
  const settle = (): void => {
    clearTimeout(timer)
    timer = setTimeout(changed, SETTLES_WITHIN).unref()
  }
  const stops = [...byFolder].map(([folder, names]) => watchFolder(folder, names, settle))
  if (files.some((file) => Date.now() - changedAt(file) < YOUNG)) settle()
  return () => {
    clearTimeout(timer)
    for (const stop of stops) stop()
  }
}

function watchFolder(folder: string, names: ReadonlySet<string>, changed: () => void): () => void {
  let watcher: FSWatcher | undefined
  let again: NodeJS.Timeout | undefined
  let isStopped = false

  const onEvent = (target: string, name: string | null): void => {
    if (target !== folder) {
      // Something came into being above; perhaps the folder.
      open()
      if (target !== watchedFolder) changed()
      return
    }
    if (name === null || (names.has(name) && !isFifo(join(folder, name)))) changed()
    // A folder that is removed, or moved away, is heard of once and never again.
    if (name === basename(folder) && !exists(folder)) {
      changed()
      open()
    }
  }
  let watchedFolder = ''
  const open = (): void => {
    if (isStopped) return
    watcher?.close()
    clearTimeout(again)
    watchedFolder = nearestExisting(folder)
    const target = watchedFolder
    try {
      watcher = watch(target, { persistent: false }, (_event, name) => {
        if (!isStopped) onEvent(target, name)
      })
      watcher.on('error', retry)
    } catch {
      retry()
    }
  }
  /** No watches left, or a folder that went away in this moment. */
  const retry = (): void => {
    clearTimeout(again)
    again = setTimeout(open, 1000).unref()
  }
  open()
  return () => {
    isStopped = true
    clearTimeout(again)
    watcher?.close()
  }
}

function nearestExisting(folder: string): string {
  let found = folder
  while (!exists(found) && dirname(found) !== found) found = dirname(found)
  return found
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function isFifo(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false
}

/** Unix time in ms; 0 where there is no such file. */
function changedAt(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat?.isFIFO() ? 0 : (stat?.mtimeMs ?? 0)
}
