import pLimit from 'p-limit'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import {
  CASES,
  complaints,
  type FaultCase,
  failing,
  registered,
  report,
  silentServer,
  withJson,
} from './support/cli-faults.ts'
import { FaultWorld } from './support/cli-world.ts'
import { freePort } from './support/servers.ts'

const servers = inject('servers')
// A hundred processes in each test.
vi.setConfig({ testTimeout: 300_000 })
let world: FaultWorld

beforeAll(async () => {
  world = await FaultWorld.start('cli-faults', servers)
})

afterAll(async () => {
  await world.stop()
  expect(world.leaks()).toEqual({ printed: [], files: [] })
})

const { names, known } = registered()

it('has a case for every command', () => {
  for (const name of names)
    expect(
      CASES[name],
      `${name} has no fault case: add a row to CASES in test/support/cli-faults.ts`,
    ).toBeDefined()
})

it('works in a project where everything is there', async () => {
  const tried = await world.tryAll((command) => world.sound(command), { every: true })
  report(tried.flatMap((each) => complaints(each, 0)))
})

it.each([false, true])('says what is missing in an empty folder (json: %s)', async (json) => {
  const tried = await world.tryAll((command) => world.empty(command), { json })
  report(tried.flatMap((each) => complaints(each, each.row.bare)))
})

it.each([false, true])('says who cannot be reached (json: %s)', async (json) => {
  const closed = `http://127.0.0.1:${await freePort()}`
  const at = { vault: closed, aws: closed, vaultEnv: closed }
  const tried = await world.tryAll((command) => world.lost(command, at, 500), { json, every: json })
  report(tried.flatMap((each) => complaints(each, failing(each, 4))))
})

/** A project whose servers take what is sent, and never answer. */
async function unanswered(command: string, timeout: number) {
  const { url, server, close } = await silentServer()
  return { project: world.lost(command, { vault: url, aws: url, vaultEnv: url }, timeout), server, close }
}

const asking = (kind: readonly FaultCase['asks'][]) =>
  Object.entries(CASES).filter(([command, { asks }]) => known(command) && kind.includes(asks))

it('gives up on a server that does not answer', async () => {
  const patient = pLimit(8)
  const found = asking(['providers']).map(([command, row]) =>
    patient(async () => {
      const { project, close } = await unanswered(command, 700)
      const line = withJson(project.lines[0]!)
      const run = await world.run(project, line, { input: row.input ?? '' })
      await close()
      const each = { command, row, line, run, project }
      return complaints(each, failing(each, 4))
    }),
  )
  report((await Promise.all(found)).flat())
})

it('ends at a Ctrl-C while it waits for a server, and leaves nothing behind', async () => {
  const found = asking(['providers', 'server']).map(([command, row]) =>
    world.pool(async () => {
      const { project, server, close } = await unanswered(command, 60_000)
      const line = project.lines[0]!
      const run = await world.run(project, line, {
        input: row.input ?? '',
        started: (child) => void server.once('connection', () => child.kill('SIGINT')),
      })
      await close()
      return complaints({ command, row, line, run, project }, 130)
    }),
  )
  report((await Promise.all(found)).flat())
})

it('says what it is not allowed, and which policy allows it', async () => {
  // A token that may know of its mount, and nothing else.
  await world.bao.policy('cli-faults', 'path "secret/data/other/*" { capabilities = ["read"] }')
  const token = await world.bao.token(['cli-faults'])
  world.values.push(token)
  const tried = await world.tryAll(async (command) => world.locked(await world.sound(command), token), {
    json: true,
    every: true,
  })
  report(tried.flatMap((each) => complaints(each, each.row.isOpen ? 0 : failing(each, 5))))
  const ofVault = tried.filter(({ row, line }) => row.asks === 'providers' && !/aws/i.test(line.join(' ')))
  for (const { line, run } of ofVault)
    expect([line, run.stdout]).toEqual([line, expect.stringContaining('{ capabilities = [')])
})
