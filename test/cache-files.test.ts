import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { cacheFolder, configFolder, lock, readIfExists, writeAtomic } from '../src/core/files.ts'
import { bundleScript, runScript, startScript } from './support/child.ts'
import { makeWorkspace, type Workspace } from './support/workspace.ts'

let place: Workspace

beforeEach(() => {
  place = makeWorkspace()
})

afterEach(() => {
  vi.unstubAllEnvs()
  place.remove()
})

describe('writeAtomic', () => {
  it('writes private files in private folders and leaves nothing else', async () => {
    const path = join(place.folder, 'a', 'b', 'file')
    await writeAtomic(path, 'one')
    await writeAtomic(path, Buffer.from('two'))
    expect(readFileSync(path, 'utf8')).toBe('two')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(place.folder, 'a')).mode & 0o777).toBe(0o700)
    expect(readdirSync(join(place.folder, 'a', 'b'))).toEqual(['file'])
    await writeAtomic(path, 'three', { mode: 0o644 })
    expect(statSync(path).mode & 0o777).toBe(0o644 & ~process.umask())
  })

  it('tightens the mode of a file that was open to others', async () => {
    const path = join(place.folder, 'file')
    writeFileSync(path, 'old', { mode: 0o666 })
    await writeAtomic(path, 'new')
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('replaces a link and leaves its target alone', async () => {
    const target = join(place.folder, 'target')
    writeFileSync(target, 'target')
    symlinkSync(target, join(place.folder, 'link'))
    await writeAtomic(join(place.folder, 'link'), 'new')
    expect(readFileSync(target, 'utf8')).toBe('target')
  })

  it('leaves no temporary file when it fails', async () => {
    const path = join(place.folder, 'taken')
    mkdirSync(join(path, 'full'), { recursive: true })
    await expect(writeAtomic(path, 'x')).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining(path),
    })
    expect(readdirSync(place.folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
    writeFileSync(join(place.folder, 'file'), '')
    await expect(writeAtomic(join(place.folder, 'file', 'below'), 'x')).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
    })
  })

  it('leaves a whole file when the writer is killed', async () => {
    const path = join(place.folder, 'killed')
    const script = await bundleScript(
      place.folder,
      `import { writeAtomic } from '../../src/core/files.ts'
      const run = async () => {
        for (let n = 0; ; n++) {
          const letter = String.fromCharCode(97 + (n % 26))
          await writeAtomic(process.argv[2], letter.repeat(200_000))
          if (n === 0) process.stdout.write('writing')
        }
      }
      run()`,
    )
    for (let round = 0; round < 8; round++) {
      const child = startScript(script, [path])
      await new Promise((resolve) => child.stdout!.once('data', resolve))
      await sleep(Math.random() * 20)
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
      const content = readFileSync(path, 'utf8')
      expect(content).toHaveLength(200_000)
      expect(new Set(content).size).toBe(1)
    }
  })
})

describe('readIfExists', () => {
  it('tells absent from unreadable', async () => {
    const path = join(place.folder, 'file')
    expect(await readIfExists(path)).toBeUndefined()
    writeFileSync(path, 'x')
    expect(await readIfExists(path)).toEqual(Buffer.from('x'))
    await expect(readIfExists(place.folder)).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: `Cannot read ${place.folder}: EISDIR.`,
    })
  })
})

describe('lock', () => {
  it('lets one in at a time, and gives back what the work gives', async () => {
    const path = join(place.folder, 'deep', 'file')
    let inside = 0
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        lock(path, async () => {
          expect(++inside).toBe(1)
          await sleep(1)
          inside--
          return index
        }),
      ),
    )
    expect(results).toEqual(Array.from({ length: 30 }, (_, index) => index))
    expect(existsSync(`${path}.lock`)).toBe(false)
  })

  it('goes on after work that failed', async () => {
    const path = join(place.folder, 'file')
    const failed = lock(path, () => Promise.reject(new Error('mine')))
    const next = lock(path, async () => 'next')
    await expect(failed).rejects.toThrow('mine')
    expect(await next).toBe('next')
  })

  it('takes over from a holder that died', async () => {
    const path = join(place.folder, 'file')
    mkdirSync(`${path}.lock`)
    const past = Date.now() / 1000 - 60
    utimesSync(`${path}.lock`, past, past)
    expect(await lock(path, async () => 'mine')).toBe('mine')
  })

  it('waits for a bounded time', async () => {
    const path = join(place.folder, 'file')
    mkdirSync(`${path}.lock`)
    const work = vi.fn()
    await expect(lock(path, work, { wait: 50 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining(path),
      hint: expect.stringContaining(`${path}.lock`),
    })
    await expect(lock(path, work, { wait: 0 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    expect(work).not.toHaveBeenCalled()
  })

  it('fails at once where no lock can be made', async () => {
    const path = join(place.folder, 'file')
    writeFileSync(`${path}.lock`, '')
    const past = Date.now() / 1000 - 60
    utimesSync(`${path}.lock`, past, past)
    await expect(lock(path, async () => {}, { wait: 1e9 })).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
  })

  it('holds between processes', async () => {
    const path = join(place.folder, 'counter')
    const script = await bundleScript(
      place.folder,
      `import { readFileSync, writeFileSync, existsSync } from 'node:fs'
      import { lock } from '../../src/core/files.ts'
      const path = process.argv[2]
      const run = async () => {
        for (let n = 0; n < 10; n++)
          await lock(path, async () => {
            const count = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0
            await new Promise((resolve) => setTimeout(resolve, 1))
            writeFileSync(path, String(count + 1))
          })
      }
      run()`,
    )
    await Promise.all(Array.from({ length: 4 }, () => runScript(script, [path])))
    expect(readFileSync(path, 'utf8')).toBe('40')
  })
})

describe('the user’s folders', () => {
  it('follow the XDG variables and ignore relative ones', () => {
    expect(cacheFolder()).toBe(join(place.cache, 'unplugin-secrets'))
    expect(configFolder()).toBe(join(place.config, 'unplugin-secrets'))
    vi.stubEnv('XDG_CACHE_HOME', 'relative')
    vi.stubEnv('XDG_CONFIG_HOME', '')
    expect(cacheFolder().startsWith(homedir())).toBe(true)
    expect(configFolder().startsWith(homedir())).toBe(true)
  })
})
