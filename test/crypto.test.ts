import { createCipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  deriveKey,
  deviceKeyFile,
  keyedFileName,
  loadEnvironmentKey,
  loadKeys,
  projectKeyFile,
  type SealKey,
  type SealLabel,
} from '../src/core/crypto/keys.ts'
import { open, seal, sealRepeatably } from '../src/core/crypto/seal.ts'
import { SecretsError } from '../src/core/errors.ts'
import { canariesIn, canary } from './support/canary.ts'
import { bundleScript, runScript } from './support/child.ts'

const label: SealLabel = { purpose: 'cache', scope: 'a scope' }
let folder: string
let root: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'unplugin-secrets-'))
  root = join(folder, 'project')
  mkdirSync(root)
  vi.stubEnv('XDG_CONFIG_HOME', join(folder, 'config'))
  vi.stubEnv('SECRETS_KEY', '')
})

afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

function keyFor(which: SealLabel = label): SealKey {
  return deriveKey(loadKeys(root, { create: true })!, which)
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function failure(work: () => unknown): SecretsError {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(SecretsError)
    return error as SecretsError
  }
  throw new Error('it did not fail')
}

describe('keys', () => {
  it('are made on demand, private and ignored by git', () => {
    expect(loadKeys(root, { create: false })).toBeUndefined()
    expect(() => statSync(join(root, '.secrets'))).toThrow()
    const made = keyFor()
    for (const file of [projectKeyFile(root), deviceKeyFile()]) {
      expect(statSync(file).mode & 0o777).toBe(0o600)
      expect(readFileSync(file, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/)
    }
    expect(readFileSync(join(root, '.secrets', '.gitignore'), 'utf8')).toBe('*\n')
    expect(statSync(join(root, '.secrets')).mode & 0o777).toBe(0o700)
    expect(keyFor().id).toEqual(made.id)
  })

  it('leave alone an ignore file that is there', () => {
    mkdirSync(join(root, '.secrets'))
    writeFileSync(join(root, '.secrets', '.gitignore'), 'mine\n')
    keyFor()
    expect(readFileSync(join(root, '.secrets', '.gitignore'), 'utf8')).toBe('mine\n')
  })

  it('are what the documented construction says', () => {
    const project = randomBytes(32)
    vi.stubEnv('SECRETS_KEY', project.toString('hex'))
    const made = keyFor()
    const device = Buffer.from(readFileSync(deviceKeyFile(), 'utf8').trim(), 'hex')
    const halves = createHmac('sha256', project).update(device).digest()
    const expected = hkdfSync('sha256', halves, sha256('a scope'), 'unplugin-secrets/cache/v1', 32)
    expect(made.secret.export()).toEqual(Buffer.from(expected))
  })

  it('need both halves, the purpose and the scope', () => {
    const first = keyFor().id.toString('hex')
    const ids = [first, keyFor({ purpose: 'local', scope: 'a scope' }).id.toString('hex')]
    ids.push(keyFor({ purpose: 'cache', scope: 'b scope' }).id.toString('hex'))
    const device = readFileSync(deviceKeyFile())
    rmSync(deviceKeyFile())
    ids.push(keyFor().id.toString('hex'))
    writeFileSync(deviceKeyFile(), device)
    expect(keyFor().id.toString('hex')).toBe(first)
    rmSync(projectKeyFile(root))
    ids.push(keyFor().id.toString('hex'))
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('take SECRETS_KEY as 64 hexadecimal digits or base64, and write no project key then', () => {
    const key = randomBytes(32)
    const ids = ['hex', 'base64', 'base64url'].map((encoding) => {
      vi.stubEnv('SECRETS_KEY', ` ${key.toString(encoding as BufferEncoding)}\n`)
      return keyFor().id.toString('hex')
    })
    expect(new Set(ids).size).toBe(1)
    expect(() => statSync(projectKeyFile(root))).toThrow()
  })

  it('never guess a key from something else', () => {
    const wrong = [
      'password',
      'x'.repeat(64),
      randomBytes(16).toString('hex'),
      randomBytes(33).toString('hex'),
    ]
    wrong.push(randomBytes(31).toString('base64'), randomBytes(33).toString('base64'), `${canary()}!`)
    for (const text of wrong) {
      vi.stubEnv('SECRETS_KEY', text)
      const error = failure(() => keyFor())
      expect(error.code).toBe('KEY_MISSING')
      expect(error.hint).toContain('openssl rand -hex 32')
      expect(inspect(error, { depth: 10 })).not.toContain(text)
    }
  })

  it('name a damaged or unreadable key file', () => {
    keyFor()
    writeFileSync(deviceKeyFile(), 'abc')
    expect(failure(() => keyFor())).toMatchObject({ code: 'FILE_UNREADABLE' })
    expect(failure(() => keyFor()).message).toContain(deviceKeyFile())
    expect(readFileSync(deviceKeyFile(), 'utf8')).toBe('abc')
    rmSync(deviceKeyFile())
    mkdirSync(deviceKeyFile())
    expect(failure(() => keyFor())).toMatchObject({ code: 'FILE_UNREADABLE' })
  })

  it('end as the same for processes that make them at once', async () => {
    const script = await bundleScript(
      folder,
      `import { deriveKey, loadKeys } from '../../src/core/crypto/keys.ts'
      const halves = loadKeys(process.argv[2], { create: true })
      process.stdout.write(deriveKey(halves, { purpose: 'cache', scope: 's' }).id.toString('hex'))`,
    )
    const ids = await Promise.all(Array.from({ length: 4 }, () => runScript(script, [root])))
    expect(new Set(ids).size).toBe(1)
    expect(ids[0]).toMatch(/^[0-9a-f]{16}$/)
  })

  it('print nothing of themselves', () => {
    const key = keyFor()
    const bytes = key.secret.export().toString('hex')
    const text = inspect(key, { depth: 10, showHidden: true }) + JSON.stringify(key)
    expect(text.replaceAll(/\s/g, '')).not.toContain(bytes.slice(0, 16))
    expect(keyedFileName(key)).toMatch(/^[0-9a-f]{32}\.sealed$/)
    expect(bytes).not.toContain(keyedFileName(key).slice(0, 8))
  })
})

describe('seal', () => {
  it('gives back any bytes, and no two alike', () => {
    const key = keyFor()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (plain) => {
        const sealed = seal(plain, key, label)
        expect(open(sealed, key, label)).toEqual(Buffer.from(plain))
        expect(seal(plain, key, label).equals(sealed)).toBe(false)
      }),
      { numRuns: 50 },
    )
    const large = randomBytes(300_000)
    expect(open(new Uint8Array(seal(large, key, label)), key, label).equals(large)).toBe(true)
  })

  it('is AES-256-GCM with the header as associated data', () => {
    const key = keyFor()
    const plain = Buffer.from('known plain text')
    const sealed = seal(plain, key, label)
    const header = sealed.subarray(0, 58)
    expect(header.subarray(0, 6)).toEqual(Buffer.from('USEC\x01\x01'))
    expect(header.subarray(6, 14)).toEqual(key.id)
    expect(header.subarray(14, 46)).toEqual(sha256('a scope'))
    const cipher = createCipheriv('aes-256-gcm', key.secret, header.subarray(46))
    cipher.setAAD(header)
    const again = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    expect(sealed.subarray(58)).toEqual(again)
  })

  it('opens no truncation and no flipped bit', () => {
    const key = keyFor()
    const value = canary()
    const sealed = seal(Buffer.from(value), key, label)
    const messages = new Set<string>()
    for (let length = 0; length < sealed.length; length++) {
      const error = failure(() => open(sealed.subarray(0, length), key, label))
      expect(error.code).toBe('SEAL_BROKEN')
      messages.add(inspect(error, { depth: 10 }))
    }
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed)
      changed[at]! ^= 1 << (at % 8)
      const error = failure(() => open(changed, key, label))
      expect(error.code).toBe(at >= 6 && at < 14 ? 'KEY_MISSING' : 'SEAL_BROKEN')
      messages.add(inspect(error, { depth: 10 }))
    }
    failure(() => open(Buffer.concat([sealed, Buffer.from([0])]), key, label))
    expect(canariesIn([...messages].join(), [value])).toEqual([])
  })

  it('opens nothing of another key, purpose or scope', () => {
    const key = keyFor()
    const sealed = seal(Buffer.from('x'), key, label)
    for (const other of [
      { purpose: 'local', scope: 'a scope' },
      { purpose: 'cache', scope: 'b scope' },
    ] as const) {
      expect(failure(() => open(sealed, keyFor(other), other)).code).toBe('SEAL_BROKEN')
      expect(failure(() => open(sealed, keyFor(other), label)).code).toBe('KEY_MISSING')
    }
    rmSync(deviceKeyFile())
    expect(failure(() => open(sealed, keyFor(), label)).code).toBe('KEY_MISSING')
  })

  it('survives anything', () => {
    const key = keyFor()
    const start = Buffer.from('USEC\x01\x01')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, withStart) => {
        const error = failure(() => open(withStart ? Buffer.concat([start, bytes]) : bytes, key, label))
        expect(['SEAL_BROKEN', 'KEY_MISSING']).toContain(error.code)
      }),
    )
  })
})

describe('what is sealed to be repeated', () => {
  const sealed: SealLabel = { purpose: 'sealed', scope: 'a scope' }
  const keyWith = (text: string, which = sealed): SealKey => {
    vi.stubEnv('SECRETS_KEY', text)
    return deriveKey(loadEnvironmentKey(), which)
  }

  it('needs SECRETS_KEY and nothing of this machine', () => {
    const project = randomBytes(32)
    const expected = hkdfSync('sha256', project, sha256('a scope'), 'unplugin-secrets/sealed/v1', 32)
    expect(keyWith(project.toString('base64')).secret.export()).toEqual(Buffer.from(expected))
    expect(() => statSync(deviceKeyFile())).toThrow()
    expect(() => statSync(join(root, '.secrets'))).toThrow()
    for (const wrong of ['', ' ', 'password']) {
      vi.stubEnv('SECRETS_KEY', wrong)
      const error = failure(() => loadEnvironmentKey())
      expect(error.code).toBe('KEY_MISSING')
      expect(error.hint).toContain('openssl rand -hex 32')
    }
  })

  it('is the same for the same, and shares no nonce with anything else', () => {
    const first = randomBytes(32).toString('hex')
    const nonces = new Map<string, string>()
    const inputs = ['', 'a', 'b', 'ab', 'a'.repeat(100), canary()]
    for (const key of [first, randomBytes(32).toString('hex')]) {
      for (const scope of ['a scope', 'b scope']) {
        const which = { purpose: 'sealed', scope } as const
        for (const plain of inputs) {
          const bytes = sealRepeatably(Buffer.from(plain), keyWith(key, which), which)
          expect(sealRepeatably(Buffer.from(plain), keyWith(key, which), which)).toEqual(bytes)
          expect(open(bytes, keyWith(key, which), which).toString()).toBe(plain)
          nonces.set(`${key} ${scope} ${plain}`, bytes.subarray(46, 58).toString('hex'))
        }
      }
    }
    expect(new Set(nonces.values()).size).toBe(nonces.size)
  })

  it('has the nonce that is documented', () => {
    const key = keyWith(randomBytes(32).toString('hex'))
    const bytes = sealRepeatably(Buffer.from('known'), key, sealed)
    const subkey = createHmac('sha256', key.secret).update('unplugin-secrets/nonce/v1').digest()
    const mac = createHmac('sha256', subkey).update(bytes.subarray(0, 46)).update('known').digest()
    expect(bytes.subarray(46, 58)).toEqual(mac.subarray(0, 12))
  })
})
