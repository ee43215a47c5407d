import type { ChildProcess } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'

let place: CliPlace
let token: string
let lines: string[]
let password: string

beforeAll(async () => {
  place = new CliPlace('cli-run', await buildPackage('cli-run-package'))
  token = place.secret(canary())
  lines = [place.secret(canary()), place.secret(canary())]
  password = place.secret(canary())
  place.write(
    'secrets.config.json',
    JSON.stringify({
      providers: { local: { type: 'local' } },
      secrets: {
        TOKEN: 'local:TOKEN',
        LINES: 'local:LINES',
        db: { from: 'local:db', mode: 'json' },
        SET: 'local:SET',
      },
    }),
  )
  await place.run(['set', 'TOKEN'], { input: token })
  await place.run(['set', 'LINES'], { input: lines.join('\n') })
  await place.run(['set', 'db'], { input: JSON.stringify({ password, port: 5432 }) })
  await place.run(['set', 'SET'], { input: 'stored' })
})

afterAll(() => {
  expect(place.leaks()).toEqual([])
  expect(canaryFiles(place.folder, place.values)).toEqual([])
})

const node = (script: string, ...flags: string[]) => ['run', ...flags, '--', process.execPath, '-e', script]

it('gives every secret to the program, and the environment wins', async () => {
  const script =
    'const { TOKEN, LINES, db, SET } = process.env; process.stdout.write(JSON.stringify({ TOKEN, LINES, db, SET }))'
  const { code, stdout } = await place.reveal(node(script, '--no-mask'), { env: { SET: 'outside' } })
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toEqual({
    TOKEN: token,
    LINES: lines.join('\n'),
    db: JSON.stringify({ password, port: 5432 }),
    SET: 'outside',
  })
})

it('gives only what it is told to', async () => {
  const script =
    'console.log(process.env.TOKEN !== undefined, process.env.LINES, process.env.db, process.env["db.password"] !== undefined)'
  expect((await place.run(node(script, '--only', 'TOKEN,db.password'))).stdout).toBe(
    'true undefined undefined true\n',
  )
  const unknown = await place.run(node('0', '--only', 'TOKEM'))
  expect(unknown.code).toBe(3)
  expect(unknown.stderr).toContain('Did you mean TOKEN?')
})

it('takes arguments as they are, without a shell', async () => {
  const args = ['--json', '--help', '$HOME; echo "*"', '--', '']
  const { stdout } = await place.run([
    ...node('console.log(JSON.stringify(process.argv.slice(1)))'),
    '--',
    ...args,
  ])
  expect(JSON.parse(stdout)).toEqual(args)
})

it('passes on the standard input', async () => {
  const { stdout } = await place.run(node('process.stdin.pipe(process.stdout)'), { input: 'given' })
  expect(stdout).toBe('given')
})

describe('masking', () => {
  it('covers values however they are printed', async () => {
    const script = `
      const { TOKEN, LINES, db } = process.env
      console.log(TOKEN, JSON.stringify({ LINES }), LINES, db, JSON.parse(db).password, JSON.parse(db).port)
      console.error(TOKEN, Buffer.from('user:' + TOKEN).toString('base64'))
      for (const char of TOKEN) process.stdout.write(char)
      process.stdout.write(TOKEN.slice(0, 20))
      setTimeout(() => { process.stdout.write(TOKEN.slice(20) + '!'); throw new Error(TOKEN) }, 300)`
    const { code, stdout, stderr } = await place.run(node(script))
    expect(code).toBe(1)
    expect(stdout).toContain('[secret TOKEN] {"LINES":"[secret LINES]"}')
    expect(stdout).toContain('5432')
    expect(stdout).toContain('[secret TOKEN][secret TOKEN]!')
    expect(stderr).toContain('Error: [secret TOKEN]')
  })

  it('shows a prompt that has no line end', async () => {
    let seen = ''
    const script = `process.stdout.write('Name: '); process.stdin.once('data', (d) => { console.log('hi ' + d); process.exit() })`
    const child = place.start(node(script))
    child.stdout!.on('data', (text) => {
      seen += text
      if (seen === 'Name: ') child.stdin!.write('me')
    })
    await new Promise((resolve) => child.on('close', resolve))
    expect(seen).toBe('Name: hi me\n')
  })

  it('loses nothing for a reader that is slow', async () => {
    const child = place.start(node(`process.stdout.write('x'.repeat(3_000_000) + process.env.TOKEN + '!')`))
    let length = 0
    let end = ''
    for await (const chunk of child.stdout!) {
      length += (chunk as Buffer).length
      end = (end + String(chunk)).slice(-20)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    expect([length, end.endsWith('[secret TOKEN]!')]).toEqual([3_000_000 + '[secret TOKEN]!'.length, true])
  })

  it('does not change what holds no value', async () => {
    const script = `process.stdout.write(Buffer.from(Array.from({ length: 100000 }, (_, i) => (i * 7) & 127)))`
    const { stdout } = await place.run(node(script))
    expect(stdout).toBe(Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) & 127)).toString())
  })
})

describe('the end', () => {
  it('has the exit code of the program', async () => {
    expect((await place.run(node('process.exit(37)'))).code).toBe(37)
    expect((await place.run(node('process.exit(37)', '--no-mask'))).code).toBe(37)
  })

  it('is 128 and the signal that ended the program', async () => {
    expect((await place.run(node(`process.kill(process.pid, 'SIGKILL')`))).code).toBe(137)
  })

  const whenReady = (act: (child: ChildProcess) => void) => (child: ChildProcess) => {
    child.stdout!.on('data', (text: string) => {
      if (text.includes('ready')) act(child)
    })
  }

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)('hands %s on', async (signal) => {
    const script = `process.on('${signal}', () => { console.log('got it'); process.exit(5) }); setInterval(() => {}, 1000); console.log('ready')`
    const run = await place.run(node(script), { started: whenReady((child) => child.kill(signal)) })
    expect(run).toMatchObject({ code: 5, signal: null, stdout: 'ready\ngot it\n' })
  })

  it('is that of a program that does not listen', async () => {
    const run = await place.run(node(`setInterval(() => {}, 1000); console.log('ready')`), {
      started: whenReady((child) => child.kill('SIGTERM')),
    })
    expect(run.code).toBe(143)
  })

  it('says when there is no such program', async () => {
    const { code, stdout, stderr } = await place.run(['run', '--', 'no-such-program', '--flag'])
    expect({ code, stdout }).toEqual({ code: 127, stdout: '' })
    expect(stderr).toContain('There is no program no-such-program.')
    const folder = await place.run(['run', '--', './node_modules'])
    expect(folder.code).toBe(126)
    const json = await place.run(['run', '--json', '--', 'no-such-program'])
    expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: 'COMMAND_NOT_FOUND' } })
  })

  it('comes to a program whose output nobody reads', async () => {
    const child = place.start(node(`setInterval(() => console.log('more'), 1)`))
    child.stdout!.once('data', () => child.stdout!.destroy())
    let stderr = ''
    child.stderr!.on('data', (text) => {
      stderr += text
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    // What Node makes of a closed pipe: an error of its own, told on the standard error.
    expect(code).toBe(1)
    expect(stderr).toContain('EPIPE')
    expect(stderr).not.toContain('cli/main')
  })

  it('starts nothing when a secret is missing', async () => {
    place.write(
      'missing.json',
      JSON.stringify({ providers: { local: { type: 'local' } }, secrets: { A: 'local:A', B: 'local:B' } }),
    )
    const { code, stdout, stderr } = await place.run(
      node('console.log("started")', '--config', 'missing.json'),
    )
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('npx secrets set A')
    expect(stderr).toContain('npx secrets set B')
  })

  it('refuses what no environment can hold, without showing it', async () => {
    const value = place.secret(canary())
    await place.run(['set', 'SET'], { input: `${value}\0${value}` })
    const { code, stderr } = await place.run(node('0'))
    expect(code).toBe(1)
    expect(stderr).toContain('"SET" cannot be a variable: it holds a NUL byte.')
    await place.run(['set', 'SET'], { input: 'stored' })
  })
})
