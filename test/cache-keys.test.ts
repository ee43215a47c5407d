import { spawnSync } from 'node:child_process'
import { createHash, hkdfSync, randomBytes, scryptSync } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openCache } from '../src/core/cache/index.ts'
import {
  deriveKey,
  deviceKeyFile,
  loadKeyring,
  loadProjectKey,
  passphraseSaltFile,
  projectKeyFile,
} from '../src/core/crypto/keys.ts'
import { createSecrets, type SecretsOptions } from '../src/index.ts'
import { local } from '../src/providers/index.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { bundleScript, runScript } from './support/child.ts'
import { failure, holding, makeProject, type Project, recordingLogger } from './support/core.ts'
import { contextFor, filesBelow } from './support/workspace.ts'

let project: Project
let logger: ReturnType<typeof recordingLogger>
const value = canary()

beforeEach(() => {
  project = makeProject()
  logger = recordingLogger()
})

afterEach(() => {
  expect(canariesIn(logger.lines.join('\n'), [value])).toEqual([])
  expect(canaryFiles(join(project.root, '..'), [value])).toEqual([])
  vi.unstubAllEnvs()
  project.remove()
})

const open = (more: SecretsOptions = {}) =>
  createSecrets({
    root: project.root,
    logger,
    environment: 'production',
    providers: { p: holding({ a: value }) },
    secrets: { A: 'p:a' },
    cache: { ttl: '1h' },
    ...more,
  })
const sealedFiles = (): string[] =>
  filesBelow(join(project.root, '..')).filter((file) => file.endsWith('.sealed'))
/** Whether the cached value is used, without asking. */
async function isCached(): Promise<boolean> {
  const p = holding({ a: value })
  const snapshot = await (await open({ providers: { p } })).load()
  expect(snapshot.get('A')?.reveal()).toBe(value)
  return p.calls.length === 0
}

describe('a pass phrase', () => {
  const phrase = `correct horse ${canary()}`

  it('is stretched by scrypt with a salt that is made once', async () => {
    vi.stubEnv('SECRETS_PASSPHRASE', phrase)
    await (await open()).load()
    expect(await isCached()).toBe(true)
    expect(existsSync(projectKeyFile(project.root))).toBe(false)
    const salt = Buffer.from(readFileSync(passphraseSaltFile(project.root), 'utf8').trim(), 'hex')
    expect(salt).toHaveLength(32)
    const stretched = scryptSync(phrase, salt, 32, { N: 131072, r: 8, p: 1, maxmem: 2 ** 28 })
    expect(loadProjectKey(project.root, { create: false })?.export()).toEqual(stretched)
    expect(canaryFiles(join(project.root, '..'), [phrase])).toEqual([])
  })

  it('that is another one, or has another salt, opens nothing', async () => {
    vi.stubEnv('SECRETS_PASSPHRASE', phrase)
    await (await open()).load()
    vi.stubEnv('SECRETS_PASSPHRASE', `${phrase}!`)
    expect(await isCached()).toBe(false)
    rmSync(passphraseSaltFile(project.root))
    expect(await isCached()).toBe(false)
  })

  it('is written the same by every keyboard, and SECRETS_KEY goes over it', () => {
    vi.stubEnv('SECRETS_PASSPHRASE', 'schöne Schlüssel')
    const composed = loadProjectKey(project.root, { create: true })!.export()
    vi.stubEnv('SECRETS_PASSPHRASE', 'schöne Schlüssel\n'.normalize('NFD'))
    expect(loadProjectKey(project.root, { create: true })!.export()).toEqual(composed)
    const key = randomBytes(32)
    vi.stubEnv('SECRETS_KEY', key.toString('hex'))
    expect(loadProjectKey(project.root, { create: true })!.export()).toEqual(key)
  })

  it('that is short is refused, and not quoted', async () => {
    vi.stubEnv('SECRETS_PASSPHRASE', 'swordfish')
    const error = await failure((await open()).load())
    expect(error.code).toBe('KEY_MISSING')
    expect(error.shown).not.toContain('swordfish')
  })
})

describe('rekey', () => {
  it('seals what is cached with a new project key and removes the old cache', async () => {
    await (await open()).load()
    const [old] = sealedFiles()
    const before = readFileSync(projectKeyFile(project.root), 'utf8')
    const control = await (await open()).cache()
    expect(await control.rekey()).toEqual({ newKey: true, values: 1, removed: 1 })
    expect(sealedFiles()).toHaveLength(1)
    expect(sealedFiles()[0]).not.toBe(old)
    expect(await isCached()).toBe(true)
    const after = readFileSync(projectKeyFile(project.root), 'utf8')
    expect(after.trim().split('\n')).toHaveLength(2)
    expect(after).toMatch(new RegExp(`^[0-9a-f]{64}\n${before}$`))
    expect(statSync(projectKeyFile(project.root)).mode & 0o777).toBe(0o600)
    // The key of before alone does not open it.
    writeFileSync(projectKeyFile(project.root), before)
    expect(await isCached()).toBe(false)
    expect(logger.warnings).toEqual([])
  })

  it('leaves the local vault readable, and its next write needs the new key only', async () => {
    const vault = local()
    await vault.write!({ path: 'NAME', value }, contextFor(project.root))
    const control = await (await open()).cache()
    await control.rekey()
    await control.rekey()
    const read = () => vault.read([{ path: 'NAME', options: {} }], contextFor(project.root))
    expect(await read()).toMatchObject([{ value }])
    await vault.write!({ path: 'OTHER', value: 'x' }, contextFor(project.root))
    const [newest] = readFileSync(projectKeyFile(project.root), 'utf8').split('\n')
    writeFileSync(projectKeyFile(project.root), `${newest}\n`)
    expect(await read()).toMatchObject([{ value }])
  })

  it('can be run again after it was killed half way', async () => {
    await (await open()).load()
    const script = await bundleScript(
      project.user,
      `import { rotateProjectKey } from '../../src/core/crypto/keys.ts'
      rotateProjectKey(process.argv[2])`,
    )
    await runScript(script, [project.root])
    const control = await (await open()).cache()
    expect(await control.rekey()).toEqual({ newKey: true, values: 1, removed: 1 })
    expect(await isCached()).toBe(true)
  })

  it('says what cannot be rekeyed', async () => {
    const control = await (await open({ cache: false })).cache()
    for (const work of [control.status(), control.clear(), control.rekey()])
      expect((await failure(work)).code).toBe('CONFIG_INVALID')
    vi.stubEnv('SECRETS_KEY_PREVIOUS', 'swordfish')
    expect((await failure((await (await open()).cache()).rekey())).message).toContain('SECRETS_KEY_PREVIOUS')
  })
})

describe('the keychain', () => {
  /** A session bus and a keyring daemon of its own, where this machine has them. */
  const hasDaemon = spawnSync('sh', ['-c', 'command -v gnome-keyring-daemon && command -v dbus-run-session'])

  it('is asked only by who wants it, and where none answers the file takes its place', async () => {
    vi.stubEnv('SECRETS_KEYCHAIN', '1')
    // Neither a bus nor a key storage of the kernel that would do.
    vi.stubEnv('DBUS_SESSION_BUS_ADDRESS', 'unix:path=/nonexistent')
    await (await open()).load()
    expect(readFileSync(deviceKeyFile(), 'utf8')).toMatch(/^([0-9a-f]{64}|keychain:[0-9a-f]{12})\n$/)
    expect(await isCached()).toBe(true)
  })

  it('that lost its secret is reported; the cache is in memory then, and nothing is made in its place', async () => {
    vi.stubEnv('DBUS_SESSION_BUS_ADDRESS', 'unix:path=/nonexistent')
    mkdirSync(project.user, { recursive: true })
    writeFileSync(deviceKeyFile(), 'keychain:0123456789ab\n')
    await (await open()).load()
    expect(logger.warnings).toEqual([expect.stringMatching(/in memory only.*keychain/)])
    expect(readFileSync(deviceKeyFile(), 'utf8')).toBe('keychain:0123456789ab\n')
    expect(sealedFiles()).toEqual([])
  })

  // A machine without a keyring daemon has shown the other half above.
  it(`holds the device secret${hasDaemon.status === 0 ? '' : ' (no daemon here: shows only the file)'}`, async () => {
    const script = await bundleScript(
      project.user,
      `import { openCache } from '../../src/core/cache/index.ts'
      const run = async () => {
        const cache = openCache({ root: process.argv[2], profile: undefined, environment: 'e', warn: (m) => { throw new Error(m) } })
        const had = (await cache.read()).size
        await cache.update((entries) => entries.set('a', { kind: 'text', text: 'x', fetchedAt: 1 }))
        process.stdout.write(String(had))
      }
      run()`,
    )
    const twice = `node ${script} ${project.root} && node ${script} ${project.root}`
    const unlocked = `echo pass | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; ${twice}`
    const has = hasDaemon.status === 0
    const [command, args] = has ? ['dbus-run-session', ['--', 'sh', '-c', unlocked]] : ['sh', ['-c', twice]]
    const { stdout, stderr } = spawnSync(command as string, args as string[], {
      encoding: 'utf8',
      cwd: process.cwd(),
      env: { ...process.env, SECRETS_KEYCHAIN: '1', HOME: project.user, XDG_RUNTIME_DIR: project.user },
    })
    // The bus has its own complaints in containers.
    expect(stdout, stderr).toBe('01')
    expect(readFileSync(deviceKeyFile(), 'utf8')).toMatch(
      has ? /^keychain:[0-9a-f]{12}\n$/ : /^[0-9a-f]{64}\n$/,
    )
  })
})

describe('the format', () => {
  const page = readFileSync(new URL('../docs/cache-format.md', import.meta.url), 'utf8')
  const vector = JSON.parse(/```text\n(\{.*?)\n```/s.exec(page)![1]!) as Record<
    | 'projectKey'
    | 'deviceSecret'
    | 'root'
    | 'environment'
    | 'scope'
    | 'key'
    | 'keyId'
    | 'file'
    | 'plain'
    | 'sealed',
    string
  > & {
    passphrase: string
    salt: string
    stretched: string
    shared: Record<'scope' | 'key' | 'file', string>
  }

  it('has vectors that this program opens', async () => {
    vi.stubEnv('SECRETS_KEY', vector.projectKey)
    mkdirSync(project.user, { recursive: true })
    writeFileSync(deviceKeyFile(), `${vector.deviceSecret}\n`)
    const label = { purpose: 'cache', scope: vector.scope } as const
    expect(JSON.parse(vector.scope)).toEqual([vector.root, null, vector.environment])
    const [halves] = loadKeyring(project.root, { create: false })
    const key = deriveKey(halves!, label)
    expect(key.secret.export().toString('hex')).toBe(vector.key)
    expect(key.id.toString('hex')).toBe(vector.keyId)
    // The root of the vector is a folder that is not there, so that its path is what it is.
    const cache = openCache({
      root: vector.root,
      profile: undefined,
      environment: vector.environment,
      warn: (message) => logger.warn(message),
    })
    expect(cache.file!.endsWith(`/${vector.file}`)).toBe(true)
    mkdirSync(join(cache.file!, '..'), { recursive: true })
    writeFileSync(cache.file!, Buffer.from(vector.sealed, 'base64'))
    expect([...(await cache.read())]).toEqual((JSON.parse(vector.plain) as { entries: unknown }).entries)
    expect(logger.warnings).toEqual([])
  })

  it('has vectors for pass phrases and shared caches', () => {
    const salt = Buffer.from(vector.salt, 'hex')
    const stretched = scryptSync(vector.passphrase, salt, 32, { N: 2 ** 17, r: 8, p: 1, maxmem: 2 ** 28 })
    expect(stretched.toString('hex')).toBe(vector.stretched)
    const { scope, key } = vector.shared
    const hash = createHash('sha256').update(scope).digest()
    const derived = hkdfSync(
      'sha256',
      Buffer.from(vector.projectKey, 'hex'),
      hash,
      'unplugin-secrets/shared/v1',
      32,
    )
    expect(Buffer.from(derived).toString('hex')).toBe(key)
  })
})
