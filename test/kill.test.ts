import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openCache } from '../src/core/cache/index.ts'
import { local } from '../src/providers/index.ts'
import { bundleScript, startScript } from './support/child.ts'
import { contextFor, filesBelow, makeWorkspace, type Workspace } from './support/workspace.ts'

const KILLS = 500
const WRITERS = 4
const ENTRIES = 20

let place: Workspace

beforeEach(() => {
  place = makeWorkspace()
})

afterEach(() => {
  vi.unstubAllEnvs()
  place.remove()
})

/** Each write replaces everything with one stamp, so that a mixture of two writes is seen. */
const SCRIPT = `
import { openCache } from '../../src/core/cache/index.ts'
import { local } from '../../src/providers/local/index.ts'
const [root, writer] = process.argv.slice(2)
const context = { name: 'local', root, environment: 'development', profile: undefined,
  signal: new AbortController().signal, concurrency: 4, userAgent: 'test', debug() {} }
const run = async () => {
  const vault = local()
  const cache = openCache({ root, profile: undefined, environment: 'development', warn: (m) => { throw new Error(m) } })
  for (let n = 0; ; n++) {
    const text = writer + ':' + (process.pid * 1000 + n) + ':' + 'x'.repeat(2000)
    await cache.update((entries) => {
      for (let at = 0; at < ${ENTRIES}; at++) entries.set('place:' + at, { kind: 'text', text, fetchedAt: n })
    })
    await vault.write({ path: 'NAME', value: text }, context)
    if (n === 0) process.stdout.write('writing')
  }
}
run()
`

it(`${KILLS} writers killed at random moments, ${WRITERS} at once, leave whole files`, async () => {
  const { root } = place
  const script = await bundleScript(place.folder, SCRIPT)
  const warnings: string[] = []
  const open = () =>
    openCache({
      root,
      profile: undefined,
      environment: 'development',
      warn: (message) => warnings.push(message),
    })
  const vault = local()
  const states = new Set<string>()
  const check = async (): Promise<void> => {
    const entries = [...(await open().read()).values()]
    const texts = new Set(entries.map(({ text }) => text))
    expect([entries.length, texts.size]).toEqual([ENTRIES, 1])
    const [text] = texts
    expect(text).toMatch(/^\d:\d+:x{2000}$/)
    const [read] = await vault.read([{ path: 'NAME', options: {} }], contextFor(root))
    expect((read as { value: string }).value).toMatch(/^\d:\d+:x{2000}$/)
    states.add(text!.split(':', 2).join())
    expect(warnings).toEqual([])
  }
  const locks = [`${open().file}.lock`, join(root, '.secrets', 'local.vault.lock')]
  /** As if the dead had been silent for long. The living lose their lock too: then two write at once. */
  const letLocksGrowOld = (): void => {
    const past = Date.now() / 1000 - 60
    for (const lock of locks.filter((each) => existsSync(each))) {
      try {
        utimesSync(lock, past, past)
      } catch {
        // Released in this moment.
      }
    }
  }

  let kills = 0
  const writer = async (name: number): Promise<void> => {
    while (kills < KILLS) {
      const child = startScript(script, [root, String(name)])
      const gone = new Promise((resolve) => child.once('close', resolve))
      await new Promise((resolve) => child.stdout!.once('data', resolve))
      await sleep(Math.random() * 10)
      child.kill('SIGKILL')
      await gone
      expect(child.signalCode).toBe('SIGKILL')
      kills++
      letLocksGrowOld()
      await check()
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, (_, index) => writer(index)))
  expect(kills).toBeGreaterThanOrEqual(KILLS)
  expect(states.size).toBeGreaterThan(20)

  // What the dead left beside the files goes with a later write.
  const left = (): string[] => filesBelow(place.folder).filter((file) => file.endsWith('.tmp'))
  const past = Date.now() / 1000 - 7200
  for (const file of left()) {
    expect(statSync(file).mode & 0o777).toBe(0o600)
    utimesSync(file, past, past)
  }
  letLocksGrowOld()
  await open().update((entries) => entries.clear())
  await vault.write!({ path: 'NAME', value: 'x' }, contextFor(root))
  expect(left()).toEqual([])
  for (const lock of locks)
    expect(readdirSync(dirname(lock)).filter((name) => name.endsWith('.lock'))).toEqual([])
}, 600_000)
