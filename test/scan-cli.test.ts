import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { transformSync } from 'esbuild'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { canary, canaryFiles } from './support/canary.ts'
import { buildPackage, CliPlace } from './support/cli.ts'

interface Report {
  findings: { name: string; asset: string; line: number; encoding: string; origin?: object }[]
  accepted: number
  files: number
  problems: { path: string }[]
}

let built: string
let place: CliPlace
let token: string
let other: string
let count = 0
const places: CliPlace[] = []

beforeAll(async () => {
  built = await buildPackage('scan-cli-package')
})
beforeEach(async () => {
  place = new CliPlace(`scan-cli-${count++}`, built)
  places.push(place)
  token = place.secret(canary('token'))
  other = place.secret(canary('other'))
  await place.run(['set', 'TOKEN', token])
  await place.run(['set', 'OTHER', other])
})
afterAll(() => {
  for (const { leaks } of places.map((each) => ({ leaks: each.leaks() }))) expect(leaks).toEqual([])
})

const git = (...args: string[]): string =>
  execFileSync('git', args, {
    cwd: place.root,
    env: {
      ...place.env,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'A',
      GIT_AUTHOR_EMAIL: 'a@example.com',
      GIT_COMMITTER_NAME: 'A',
      GIT_COMMITTER_EMAIL: 'a@example.com',
    },
    encoding: 'utf8',
    stdio: 'pipe',
  })

describe('formats', () => {
  beforeEach(() => {
    const source = `// first\nexport const url = "a" /* long enough to move columns */\nconsole.log(url, ${JSON.stringify(token)})\n`
    const { code, map } = transformSync(source, {
      minify: true,
      sourcemap: true,
      sourcefile: '../../src/app.ts',
    })
    place.write('dist/assets/app.js', `${code}//# sourceMappingURL=app.js.map\n`)
    place.write('dist/assets/app.js.map', JSON.stringify({ ...JSON.parse(map), sourcesContent: undefined }))
    place.write('dist/plain.txt', `x\n ${Buffer.from(token).toString('base64')}`)
  })

  it('text, with the place in the source', async () => {
    const { code, stdout, stderr } = await place.run(['scan', 'dist'])
    expect(code).toBe(10)
    expect(stdout).toMatch(/TOKEN {2}assets\/app\.js:1:\d+ {2}plain +from src\/app\.ts:3:\d+\n/)
    expect(stdout).toMatch(/TOKEN {2}plain\.txt:2:2 +base64\n/)
    expect(stderr).toContain('Looked at 3 files')
  })

  it('JSON, into a file', async () => {
    const { code, stdout } = await place.run([
      'scan',
      'dist',
      '--format',
      'json',
      '--output',
      'out/scan.json',
    ])
    expect([code, stdout]).toEqual([10, ''])
    const { findings } = JSON.parse(place.read('out/scan.json')) as Report
    expect(findings).toMatchObject([
      { name: 'TOKEN', asset: 'assets/app.js', origin: { source: 'src/app.ts', line: 3 } },
      { name: 'TOKEN', asset: 'plain.txt', line: 2, column: 2, encoding: 'base64' },
    ])
    expect(findings[1]).not.toHaveProperty('origin')
  })

  it('SARIF, with paths from the top of the repository', async () => {
    git('init', '-q')
    place.write('dist/a b/broken.gz', 'not compressed')
    const { code, stdout } = await place.run(['scan', 'dist', '--format', 'sarif'])
    expect(code).toBe(10)
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({
      version: '2.1.0',
      runs: [
        {
          tool: { driver: { name: 'unplugin-secrets', rules: [{ id: 'server-value' }] } },
          columnKind: 'utf16CodeUnits',
          invocations: [
            {
              executionSuccessful: false,
              toolExecutionNotifications: [
                {
                  message: { text: 'a b/broken.gz cannot be unpacked (Z_DATA_ERROR).' },
                  locations: [{ physicalLocation: { artifactLocation: { uri: 'dist/a%20b/broken.gz' } } }],
                },
              ],
            },
          ],
          results: [
            {
              ruleId: 'server-value',
              level: 'error',
              locations: [
                {
                  physicalLocation: {
                    artifactLocation: { uri: 'dist/assets/app.js' },
                    region: { startLine: 1, startColumn: expect.any(Number) },
                  },
                },
              ],
              relatedLocations: [
                {
                  physicalLocation: {
                    artifactLocation: { uri: 'src/app.ts' },
                    region: { startLine: 3, startColumn: expect.any(Number) },
                  },
                },
              ],
              properties: { secret: 'TOKEN', encoding: 'plain' },
            },
            { properties: { secret: 'TOKEN', encoding: 'base64' } },
          ],
        },
      ],
    })
    for (const result of report.runs[0].results)
      expect(result.message.text).toContain('The value of TOKEN stands here')
  })

  it('exit codes: found 10, not all looked at 1, clean 0, misuse 2, not there 3', async () => {
    const code = async (...args: string[]) => (await place.run(['scan', ...args])).code
    expect(await code('dist')).toBe(10)
    place.write('half/a.gz', 'no')
    expect(await code('half')).toBe(1)
    place.write('clean/a.js', 'no')
    expect(await code('clean', '--format', 'sarif')).toBe(0)
    expect(await code()).toBe(2)
    expect(await code('clean', '--json', '--format', 'sarif')).toBe(2)
    expect(await code('clean', '--staged', '--update-baseline')).toBe(2)
    expect(await code('clean', '--baseline', 'none.json')).toBe(3)
    expect(await code('none')).toBe(3)
  })
})

describe('the baseline', () => {
  const scan = (...args: string[]) => place.json<Report>(['scan', 'dist', ...args])
  const names = ({ findings }: Report) => findings.map(({ name, asset }) => `${name} ${asset}`)

  it('accepts what was there, and nothing else', async () => {
    place.write('dist/index-DiwrgTda.js', `a("${token}")`)
    expect((await place.run(['scan', 'dist', '--update-baseline'])).code).toBe(0)
    const text = place.read('.secrets-baseline.json')
    const { accepted } = JSON.parse(text) as { accepted: object[] }
    expect(accepted).toEqual([
      {
        id: expect.stringMatching(/^[\da-f]{64}$/),
        name: 'TOKEN',
        asset: 'dist/index-*.js',
        encoding: 'plain',
        environment: 'development',
      },
    ])
    // Neither the value nor a bare hash of it.
    expect(canaryFiles(place.root, [token]).map((file) => file.endsWith('.js'))).toEqual([true])

    expect(await scan()).toMatchObject({ findings: [], accepted: 1 })
    expect((await place.run(['scan', 'dist'])).stdout).toContain(', 1 accepted.')
    // Another line, another hash in the name: the same.
    rmSync(join(place.root, 'dist/index-DiwrgTda.js'))
    place.write('dist/index-B-_x9aQz.js', `\n\n\nb("${token}")`)
    expect(await scan()).toMatchObject({ findings: [], accepted: 1 })
    // One more place, another name, another file, another form: new.
    place.write(
      'dist/index-B-_x9aQz.js',
      `b("${token}", "${token}", "${other}", "${Buffer.from(token).toString('hex')}")`,
    )
    place.write('dist/other.js', token)
    const report = await scan()
    expect(report.accepted).toBe(1)
    expect(names(report).sort()).toEqual([
      'OTHER index-B-_x9aQz.js',
      'TOKEN index-B-_x9aQz.js',
      'TOKEN index-B-_x9aQz.js',
      'TOKEN other.js',
    ])
  })

  it('a changed value is a new finding', async () => {
    place.write('dist/a.js', token)
    await scan('--update-baseline')
    const changed = place.secret(canary('changed'))
    await place.run(['set', 'TOKEN', changed])
    place.write('dist/a.js', changed)
    expect(names(await scan())).toEqual(['TOKEN a.js'])
  })

  it('cannot be used without its key, and says so', async () => {
    place.write('dist/a.js', token)
    await scan('--update-baseline', '--baseline', 'accepted.json')
    expect((await scan('--baseline', 'accepted.json')).findings).toEqual([])
    // The vault needs the old key, so the value comes from the environment.
    const env = { SECRETS_KEY: 'ab'.repeat(32), TOKEN: token }
    place.write(
      'secrets.config.mjs',
      `export default { providers: { env: { type: 'env' } }, secrets: { TOKEN: 'env:TOKEN' } }`,
    )
    const { code, stderr } = await place.run(['scan', 'dist', '--baseline', 'accepted.json'], { env })
    expect(code).toBe(10)
    expect(stderr).toContain('accepted.json was not used: it was made with another project key')
  })

  it('keeps what was accepted for other folders', async () => {
    place.write('dist/a.js', token)
    place.write('public/a.js', token)
    await place.run(['scan', 'public', '--update-baseline'])
    await place.run(['scan', 'dist', '--update-baseline'])
    for (const folder of ['public', 'dist']) expect((await place.run(['scan', folder])).code).toBe(0)
    place.write('dist/a.js', '')
    await place.run(['scan', 'dist', '--update-baseline'])
    expect(JSON.parse(place.read('.secrets-baseline.json')).accepted).toHaveLength(1)
  })

  it('that is damaged is an error, not an empty one', async () => {
    place.write('dist/a.js', token)
    for (const text of [
      '',
      '{',
      '[]',
      '{"version":2,"key":"","accepted":[]}',
      '{"version":1,"key":"","accepted":[{}]}',
    ]) {
      place.write('.secrets-baseline.json', text)
      const { code, stderr } = await place.run(['scan', 'dist'])
      expect([text, code, stderr]).toEqual([
        text,
        1,
        expect.stringContaining('is not a baseline of this version'),
      ])
    }
  })
})

describe('what is staged', () => {
  beforeEach(() => {
    git('init', '-q')
    place.write('.gitignore', 'node_modules\n.secrets\n')
  })

  it('is scanned as it would be committed, not as it stands in the folder', async () => {
    place.write('a.js', `\n"${token}"`)
    place.write('new\nline é.txt', Buffer.from(token).toString('base64'))
    place.write('clean.js', 'x')
    symlinkSync('clean.js', join(place.root, 'link'))
    git('add', '.')
    place.write('a.js', 'mended, but not staged')
    place.write('clean.js', `spoilt, but not staged ${token}`)
    place.write('untracked.js', token)
    const { findings, files } = await place.json<Report>(['scan', '--staged'])
    expect(findings.map(({ asset, line, encoding }) => [asset, line, encoding])).toEqual([
      ['a.js', 2, 'plain'],
      ['new\nline é.txt', 1, 'base64'],
    ])
    expect(files).toBe(6)
    expect((await place.run(['scan', '--staged', '--exclude', 'a.js,new*'])).code).toBe(0)
    git('add', '.')
    git('commit', '-qm', 'one')
    git('mv', 'clean.js', 'moved.js')
    place.write('sub/deep.js', 'x')
    git('add', '.')
    // Only what the commit changes, under its new name.
    expect((await place.json<Report>(['scan', '--staged'])).findings).toMatchObject([{ asset: 'moved.js' }])
    expect((await place.run(['scan', 'sub', '--staged'])).code).toBe(0)
    git('rm', '-q', '--cached', 'moved.js')
    expect((await place.run(['scan', '--staged'])).code).toBe(0)
  })

  it('hundreds of files, large ones and empty ones', async () => {
    for (let at = 0; at < 450; at++) place.write(`many/${at}.txt`, at % 7 ? `file ${at}` : '')
    place.write('many/z.bin', `${'x'.repeat(3_000_000)}\n${token}`)
    git('add', '.')
    const { findings, files } = await place.json<Report>(['scan', '--staged'])
    expect(findings).toMatchObject([{ asset: 'many/z.bin', line: 2 }])
    expect(files).toBe(453)
  })
})

describe('the hook', () => {
  const hook = () => join(place.root, '.git/hooks/pre-commit')
  const commit = (message = 'x') => {
    try {
      git('commit', '-qm', message)
      return 0
    } catch (error) {
      return (error as { status: number }).status
    }
  }
  beforeEach(() => {
    git('init', '-q')
    place.write('.gitignore', 'node_modules\n.secrets\n')
    mkdirSync(join(place.root, 'node_modules/.bin'), { recursive: true })
    const main = join(built, 'dist/cli/main.js')
    writeFileSync(
      join(place.root, 'node_modules/.bin/secrets'),
      `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`,
      {
        mode: 0o755,
      },
    )
  })

  it('stops a commit that holds a value, also one of a part of the index', async () => {
    const { stdout } = await place.run(['scan', '--install-hook'])
    expect(stdout).toMatch(/^Made .*pre-commit\.\n$/)
    expect(statSync(hook()).mode & 0o111).toBe(0o111)
    place.write('a.js', 'clean')
    git('add', '.')
    expect(commit()).toBe(0)
    place.write('a.js', token)
    git('add', '.')
    expect(commit()).not.toBe(0)
    place.write('b.js', 'clean')
    git('add', 'b.js')
    expect(() => git('commit', '-qm', 'part', 'b.js')).not.toThrow()
    expect(() => git('commit', '-qam', 'all')).toThrow()
  })

  it('is installed once, and renewed where it differs', async () => {
    await place.run(['scan', '--install-hook'])
    const first = readFileSync(hook(), 'utf8')
    expect(await place.json(['scan', '--install-hook'])).toMatchObject({ done: 'unchanged' })
    expect(
      await place.json(['scan', '--install-hook', '--env', 'production', '--exclude', "a b'c"]),
    ).toMatchObject({
      done: 'renewed',
    })
    expect(readFileSync(hook(), 'utf8')).toBe(
      first.replace('--staged', `--staged --env production --exclude 'a b'\\''c'`),
    )
  })

  it('runs in front of a hook that is there, which stays as it was', async () => {
    writeFileSync(hook(), '#!/usr/bin/env bash\ntouch ran\nexit 0\n', { mode: 0o755 })
    expect(await place.json(['scan', '--install-hook'])).toMatchObject({ done: 'extended' })
    expect(readFileSync(hook(), 'utf8')).toMatch(
      /^#!\/usr\/bin\/env bash\n# >>> [\s\S]*\n# <<< [\s\S]*\ntouch ran\nexit 0\n$/,
    )
    place.write('a.js', token)
    git('add', '.')
    expect(commit()).not.toBe(0)
    expect(existsSync(join(place.root, 'ran'))).toBe(false)
    place.write('a.js', '')
    git('add', '.')
    expect(commit()).toBe(0)
    expect(existsSync(join(place.root, 'ran'))).toBe(true)
  })

  it.each([
    ['another language', '#!/usr/bin/env python3\nprint(1)\n', 0o755],
    ['bytes', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1]), 0o755],
    ['one that is off', '#!/bin/sh\nrm -rf x\n', 0o644],
    ['one of a tool', '#!/bin/sh\ncall_lefthook run\n', 0o755],
  ])('leaves alone %s, and says what to add', async (_, content, mode) => {
    writeFileSync(hook(), content)
    chmodSync(hook(), mode)
    const { code, stderr } = await place.run(['scan', '--install-hook'])
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('Have it run: npx --no-install secrets scan --staged'),
    ])
    expect(readFileSync(hook())).toEqual(Buffer.from(content as string))
  })

  it('goes where core.hooksPath says, unless others share it', async () => {
    git('config', 'core.hooksPath', '.githooks')
    const { file } = await place.json<{ file: string }>(['scan', '--install-hook'])
    expect(file).toBe(join(place.root, '.githooks/pre-commit'))
    git('config', 'core.hooksPath', '.husky/_')
    place.write('.husky/pre-commit', 'npm test\n')
    expect((await place.json<{ file: string }>(['scan', '--install-hook'])).file).toBe(
      join(place.root, '.husky/pre-commit'),
    )
    expect(place.read('.husky/pre-commit')).toMatch(/^# >>> [\s\S]*\nnpm test\n$/)
    git('config', 'core.hooksPath', join(place.folder, 'shared'))
    const { code, stderr } = await place.run(['scan', '--install-hook'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('which this repository shares with others')])
  })

  it('works for a project below the top of the repository', async () => {
    rmSync(join(place.root, '.git'), { recursive: true })
    place.write('../.gitignore', 'node_modules\n.secrets\nhome\ncache\nconfig\n')
    execFileSync('git', ['init', '-q'], { cwd: place.folder })
    await place.run(['scan', '--install-hook'])
    expect(readFileSync(join(place.folder, '.git/hooks/pre-commit'), 'utf8')).toContain('(cd project && npx')
    place.write('a.js', 'x')
    git('add', '.')
    expect(commit()).toBe(0)
    place.write('a.js', token)
    git('add', '.')
    expect(commit()).not.toBe(0)
  })

  it('needs a repository', async () => {
    rmSync(join(place.root, '.git'), { recursive: true })
    const inside = existsSync(join(place.folder, '.git'))
    expect(inside).toBe(false)
    const env = { GIT_CEILING_DIRECTORIES: place.folder }
    for (const flag of ['--install-hook', '--staged']) {
      const { code, stderr } = await place.run(['scan', flag], { env })
      expect([code, stderr]).toEqual([2, expect.stringContaining('is in no git repository')])
    }
  })
})
