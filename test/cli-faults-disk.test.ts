import { chmodSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import { complaints, report, type Tried } from './support/cli-faults.ts'
import { type FaultProject, FaultWorld } from './support/cli-world.ts'

// A hundred processes in each test.
vi.setConfig({ testTimeout: 300_000 })
let world: FaultWorld

beforeAll(async () => {
  world = await FaultWorld.start('cli-faults-disk', inject('servers'))
})

afterAll(async () => {
  await world.stop()
  expect(world.leaks()).toEqual({ printed: [], files: [] })
})

/** Root may write anywhere that is not mounted read-only; for others modes do. */
const isRoot = process.getuid?.() === 0

/** Runs a command line where nothing below a folder can be written. */
function onReadOnlyDisk(folder: string): readonly string[] {
  if (!isRoot) {
    forEachBelow(folder, (path, isFolder) => chmodSync(path, isFolder ? 0o555 : 0o444))
    return []
  }
  const script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && cd "$PWD" && shift && exec "$@"'
  return ['unshare', '--mount', 'sh', '-c', script, 'sh', folder]
}

function forEachBelow(folder: string, visit: (path: string, isFolder: boolean) => void): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) forEachBelow(path, visit)
    if (!entry.isSymbolicLink()) visit(path, entry.isDirectory())
  }
  visit(folder, true)
}

/** A name in the local vault, whose key is there then; and the device's key, with a cache. */
async function used(command: string): Promise<FaultProject> {
  const project = await world.sound(command)
  const { place, env } = project
  if (command.startsWith('vault-env ')) return project
  const set = await place.run(['set', 'LOCAL_ONE'], { env, input: world.secret() })
  expect(set.code).toBe(0)
  return project
}

it('on a read-only disk, reads all the same, and says what it cannot write', async () => {
  const folders = new Map<string, FaultProject>()
  const tried = await world.tryAll(async (command) => {
    const project = await used(command)
    folders.set(command, project)
    return { ...project, wrap: onReadOnlyDisk(project.place.folder) }
  })
  const wrong = tried.flatMap((each) => {
    // A device is known by a secret that this machine keeps.
    const writes = each.row.writes || /register-device$/.test(each.command)
    const found = complaints(each, writes ? 1 : 0)
    if (writes && !names(each)) found.push(`${each.command} does not name a file: ${each.run.stderr}`)
    const warnings = each.run.stderr.match(/warning/g)?.length ?? 0
    // Two environments have two caches; dev servers are told by a file of their own.
    if (!writes && warnings > (/^(diff|refresh)$/.test(each.command) ? 2 : 1))
      found.push(`${each.command}: ${warnings} warnings\n${each.run.stderr}`)
    return found
  })
  for (const { place } of folders.values())
    if (!isRoot) forEachBelow(place.folder, (path, isFolder) => chmodSync(path, isFolder ? 0o755 : 0o644))
  report(wrong)
})

/** Commands that read no file of the project that others may not read. */
const WITHOUT_FILES =
  /^(completion|dashboard|(vault-env )?(approve|revoke|list)-device.*|vault-env (versions|rollback))$/

it('names the file that it may not read', async () => {
  const tried = await world.tryAll(async (command) => {
    const project = await used(command)
    const shut = [
      'secrets.config.json',
      '.secrets/local.vault',
      '.secrets/project.key',
      '.env',
      'page.tpl',
      'push.env',
    ]
    for (const file of shut)
      if (existsSync(join(project.place.root, file)))
        chmodSync(join(project.place.root, file), isRoot ? 0o600 : 0o000)
    return { ...project, ...(isRoot && { uid: 65_534 }) }
  })
  const wrong = tried.flatMap((each) => {
    const found = complaints(each, WITHOUT_FILES.test(each.command) ? 0 : 1)
    if (each.run.code === 1 && !names(each)) found.push(`${each.command} names no file: ${each.run.stderr}`)
    return found
  })
  report(wrong)
})

/** The place in the project that could not be written. */
function names({ run, project }: Tried): boolean {
  return `${run.stdout}${run.stderr}`.includes(project.place.folder)
}
