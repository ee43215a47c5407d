import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { Bao } from './support/bao.ts'
import { canariesIn, canary } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'
import { atTerminal, type TerminalRun } from './support/pty.ts'

const { bao: server, programs } = inject('servers')
const ERASE = '\r\u001b[K'
let place: CliPlace
const screens: string[] = []

/** The real server, a second late. */
const slow = createServer((incoming, response) => {
  setTimeout(() => {
    const { method, url: path, headers } = incoming
    const onward = request(server.url + path, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    incoming.pipe(onward)
  }, 700)
})

beforeAll(async () => {
  place = new CliPlace('cli-progress', await buildPackage('cli-progress-package'))
  await new Bao(server).write2('secret', 'progress/one', { value: place.secret(canary()) })
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve))
  configure(`http://127.0.0.1:${(slow.address() as AddressInfo).port}`)
  place.write('push.env', `ONE=${place.secret(canary())}\n`)
  place.write('dist/app.js', 'export {}\n')
})

afterAll(() => {
  slow.close()
  expect(canariesIn(screens.join('\n'), place.values)).toEqual([])
})

function configure(url: string): void {
  place.write(
    'secrets.config.json',
    JSON.stringify({
      providers: { vault: { type: 'vault', url } },
      secrets: { ONE: 'vault:progress/one#value' },
      cache: false,
    }),
  )
}

async function terminal(
  line: readonly string[],
  pipeOutput = false,
): Promise<TerminalRun & { shown: string[]; left: string }> {
  const run = await atTerminal(programs.python, {
    argv: [process.execPath, place.main, ...line],
    cwd: place.root,
    env: { ...place.env, VAULT_TOKEN: server.token, NO_COLOR: '1' },
    pipeOutput,
  })
  screens.push(run.screen)
  const shown = [...run.screen.matchAll(/\r\u001b\[K([^\r\n]+)/g)].map(([, text]) => text!)
  // What a line holds when its beginning is erased.
  const left = run.screen.replaceAll(/[^\n]*\r\u001b\[K/g, '')
  return { ...run, shown, left }
}

it.concurrent.each<[line: string[], text: RegExp]>([
  [['list'], /^Reading 1 secret from vault …( \d+ s)?$/],
  [['refresh'], /^Reading 1 secret from vault …/],
  [['pull', '--yes', '--output', 'pulled.env'], /^Reading 1 secret from vault …/],
  [['diff', 'development', 'production'], /^Reading 1 secret from vault …/],
  [['run', '--', process.execPath, '-e', '0'], /^Reading 1 secret from vault …/],
  [['scan', 'dist'], /^Reading 1 secret from vault …/],
  [['doctor'], /^Checking vault \(0 of 1 done\) …/],
  [['push', '--yes', '--file', 'push.env'], /^Writing 1 of 1 …/],
  [
    ['link', 'linked', 'vault:progress/linked', '--file', 'push.env', '--yes'],
    /^Linking linked to vault:progress\/linked …/,
  ],
  [
    ['pull', '--all', '--provider', 'vault', '--dry-run'],
    /^(Listing secrets|Looking at secrets \(0 of \d+ done\)) …/,
  ],
  [
    ['migrate', 'vault:progress/one', 'vault:progress/two', '--yes', '--keep'],
    /^Copying vault:progress\/one to vault:progress\/two, and comparing …/,
  ],
])('%s says what it waits for, and takes it away again', async (line, text) => {
  const { code, shown, left, screen } = await terminal(line)
  expect([screen, code]).toEqual([screen, 0])
  expect(shown).toContainEqual(expect.stringMatching(text))
  expect(left).not.toContain('…')
})

it('says nothing to a program, and nothing to the standard output', async () => {
  expect((await terminal(['list', '--json'])).screen).not.toContain(ERASE)
  const piped = await place.run(['list'], { env: { VAULT_TOKEN: server.token } })
  expect(piped.stderr).toBe('')
  const mixed = await terminal(['list'], true)
  expect(mixed.stdout).toMatch(/^NAME .*\nONE /)
  expect(mixed.left.trim()).toBe('')
})
