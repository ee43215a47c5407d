import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { complaints, leftovers, report } from './support/cli-faults.ts'
import { FaultWorld } from './support/cli-world.ts'
import { atTerminal, type TerminalStep } from './support/pty.ts'

const { python } = inject('servers').programs
// A hundred processes in each test.
vi.setConfig({ testTimeout: 300_000 })
let world: FaultWorld

beforeAll(async () => {
  world = await FaultWorld.start('cli-faults-ends', inject('servers'))
})

afterAll(async () => {
  await world.stop()
  expect(world.leaks()).toEqual({ printed: [], files: [] })
})

describe('an output that nobody reads', () => {
  it.each([
    ['closed after a line', '"$@" | head -n 1; exit ${PIPESTATUS[0]}'],
    ['closed with the errors', '"$@" 2>&1 | true; exit ${PIPESTATUS[0]}'],
  ])('is no error: %s', async (_, script) => {
    const tried = await world.tryAll(
      async (command) => ({ ...(await world.sound(command)), wrap: ['bash', '-c', script, 'bash'] }),
      // A server stays, whoever reads its first line.
      { staying: false },
    )
    report(tried.flatMap((each) => complaints(each, 0)))
  })

  it('is none where it was closed before the start', async () => {
    for (const line of [['list'], ['config', '--json'], ['completion', 'bash'], ['--help']]) {
      const project = { ...(await world.sound('list')), wrap: ['bash', '-c', 'exec "$@" >&-', 'bash'] }
      const { code, stderr } = await world.run(project, line)
      expect([line, code, stderr]).toEqual([line, 0, ''])
    }
  })

  it('is one when the disk is full', async () => {
    const full = async (command: string, ...line: string[]) => {
      const project = {
        ...(await world.sound(command)),
        wrap: ['bash', '-c', 'exec "$@" > /dev/full', 'bash'],
      }
      return world.run(project, line)
    }
    for (const line of [['list'], ['list', '--json'], ['get', 'VAULT_ONE', '--reveal'], ['--help']]) {
      const { code, stderr } = await full('list', ...line)
      expect([line, code, stderr]).toEqual([
        line,
        1,
        expect.stringContaining('Cannot write the output: ENOSPC.\n  There is no room'),
      ])
      expect(stderr).not.toMatch(/^ +at /m)
    }
  })
})

describe('a Ctrl-C at a question', () => {
  const KEY = '\u0003'
  it.each<[command: string, line: string[], question: string]>([
    ['init', ['init', '--force'], 'Where are the secrets?'],
    ['set', ['set', 'VAULT_ONE'], 'Value of VAULT_ONE'],
    ['push', ['push', '--file', 'push.env'], 'Write 1 value?'],
    ['pull', ['pull', '--output', 'push.env'], 'Replace push.env'],
    ['rollback', ['rollback', 'VAULT_ONE', '1'], 'Make version 1'],
    ['migrate', ['migrate', 'local:LOCAL_ONE', 'vault:faults/moved'], 'Move local:LOCAL_ONE'],
  ])('%s changes nothing', async (command, line, question) => {
    const project = await world.sound(command)
    const { place, env } = project
    await place.run(['set', 'LOCAL_ONE'], { env, input: world.secret() })
    const before = contents(place.root)
    const steps: TerminalStep[] = [{ wait: question, send: KEY }]
    const argv = [process.execPath, place.main, ...line]
    const { code, screen } = await atTerminal(python, {
      argv,
      cwd: place.root,
      env: { ...place.env, ...env },
      steps,
    })
    expect([screen, code]).toEqual([expect.stringContaining(question), 130])
    expect(screen).not.toMatch(/^ +at /m)
    expect(contents(place.root)).toEqual(before)
    expect(leftovers(place.folder)).toEqual([])
  })
})

/** Every file of a project, with what is in it. */
function contents(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Object.fromEntries(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return [path, readFileSync(path, 'latin1')]
    }),
  )
}

it('leaves the old state or the new one when it is interrupted in the middle of a write', async () => {
  const { place } = world.empty('set')
  const values = ['first', 'second'].map((name) => `${name}:${'x'.repeat(3_000_000)}`)
  const set = (value: string, delay?: number) =>
    place.run(['set', 'BIG'], {
      input: value,
      started: (child) => {
        if (delay !== undefined) setTimeout(() => child.kill('SIGINT'), delay)
      },
    })
  const full = Date.now()
  expect((await set(values[0]!)).code).toBe(0)
  const duration = Date.now() - full
  const codes = new Set<number | null>()
  for (let turn = 0; turn < 24; turn++) {
    const { code, signal, stderr } = await set(values[turn % 2]!, (duration * turn) / 20)
    // Before our code runs at all, Node's own answer to a signal holds.
    expect([0, 130]).toContain(code ?? (signal === 'SIGINT' ? 130 : code))
    codes.add(code)
    expect(stderr).toBe('')
    expect(leftovers(place.folder)).toEqual([])
    const got = await place.reveal(['get', 'BIG', '--reveal'])
    expect(got.code).toBe(0)
    expect(values).toContain(got.stdout)
  }
  expect(codes).toContain(130)
})

it('tells of an error that nobody waits for without its text and its stack', async () => {
  const { place } = world.empty('list')
  const value = world.secret()
  const late = (how: string) =>
    place.write(
      'secrets.config.mjs',
      `${how}
      const provider = { type: 'late', location: 'nowhere', read: () => new Promise((resolve) => setTimeout(resolve, 5000)) }
      export default { providers: { late: provider }, secrets: { ONE: 'late:one' }, cache: false }`,
    )
  for (const how of [
    `setTimeout(() => { throw new Error(${JSON.stringify(value)}) }, 50)`,
    `setTimeout(() => Promise.reject(new Error(${JSON.stringify(value)})), 50)`,
  ]) {
    late(how)
    for (const line of [['list'], ['list', '--json']]) {
      const { code, stdout, stderr } = await place.reveal(line)
      expect([line, code]).toEqual([line, 1])
      expect(stdout + stderr).toContain('This is a mistake in unplugin-secrets itself (Error).')
      expect(stdout + stderr).not.toContain(value)
      expect(stdout + stderr).not.toMatch(/^ +at /m)
    }
  }
  // The configuration of this test has it in clear.
  place.write('secrets.config.mjs', 'export default {}')
})
