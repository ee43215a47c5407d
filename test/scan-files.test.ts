import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { createScanner, formatFindings, scanFolder } from '../src/core/scan/index.ts'
import { canariesIn, canary } from './support/canary.ts'

const value = canary()
const scanner = createScanner([{ name: 'TOKEN', text: value }])
const said: string[] = []
const base = mkdtempSync(join(tmpdir(), 'scan-files-'))
let folder = base
let count = 0

beforeEach(() => {
  folder = join(base, `${count++}`)
  mkdirSync(folder)
})
afterAll(() => {
  rmSync(base, { recursive: true })
  expect(canariesIn(said.join('\n'), [value])).toEqual([])
})

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(join(folder, path, '..'), { recursive: true })
  writeFileSync(join(folder, path), content)
}

async function scan(options = {}) {
  const result = await scanFolder(scanner, folder, options)
  said.push(formatFindings(result.findings), JSON.stringify(result))
  return result
}

test('every file below the folder, in order, with what it counted', async () => {
  write('b/.well-known/deep/x.txt', `\n${value}`)
  write('a.js', `"${value}"`)
  write('empty.js', '')
  write('large.bin', Buffer.concat([Buffer.alloc(3_000_000), Buffer.from(value)]))
  const result = await scan()
  expect(result.findings.map(({ asset, line, column }) => [asset, line, column])).toEqual([
    ['a.js', 1, 2],
    ['b/.well-known/deep/x.txt', 2, 1],
    ['large.bin', 1, 3_000_001],
  ])
  expect(result).toMatchObject({ files: 4, bytes: 3_000_000 + 3 * value.length + 3, problems: [] })
})

test('a small file after a large one does not show what the large one held', async () => {
  write('1.js', `${'x'.repeat(5000)}${value}`)
  write('2.js', 'y'.repeat(4000))
  write('3.js', 'z')
  expect((await scan({ concurrency: 1 })).findings.map(({ asset }) => asset)).toEqual(['1.js'])
})

test('files that globs exclude', async () => {
  write('a.js', value)
  write('maps/a.js.map', value)
  write('.hidden/b.js', value)
  const result = await scan({ exclude: ['**/*.map', '.hidden'] })
  expect(result.findings.map(({ asset }) => asset)).toEqual(['a.js'])
  expect(result.files).toBe(1)
})

test('compressed files are unpacked, broken ones reported and still looked at', async () => {
  write('a.js.gz', gzipSync(`one\n${value}`))
  write('b.js.br', brotliCompressSync(Buffer.from(`one\ntwo ${value}`)))
  write('broken.gz', `not compressed ${value}`)
  write('cut.js.gz', gzipSync(canary().repeat(100)).subarray(0, 40))
  const result = await scan()
  expect(result.findings.map(({ asset, line }) => `${asset}:${line}`)).toEqual([
    'a.js.gz:2',
    'b.js.br:2',
    'broken.gz:1',
  ])
  expect(result.problems).toEqual([
    { path: 'broken.gz', reason: 'cannot be unpacked (Z_DATA_ERROR)' },
    { path: 'cut.js.gz', reason: 'cannot be unpacked (Z_BUF_ERROR)' },
  ])
})

test('links are not followed; those that lead out or nowhere are reported', async () => {
  const outside = join(base, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'x.js'), value)
  write('real/a.js', value)
  symlinkSync(outside, join(folder, 'out'))
  symlinkSync(join(outside, 'x.js'), join(folder, 'out.js'))
  symlinkSync(join(folder, 'real'), join(folder, 'in'))
  symlinkSync('.', join(folder, 'loop'))
  symlinkSync('missing', join(folder, 'nowhere'))
  const result = await scan()
  expect(result.findings.map(({ asset }) => asset)).toEqual(['real/a.js'])
  expect(result.problems).toEqual([
    { path: 'nowhere', reason: 'is a link that leads nowhere (ENOENT)' },
    { path: 'out', reason: 'is a link out of the folder' },
    { path: 'out.js', reason: 'is a link out of the folder' },
  ])
})

test('a folder that is not there is a problem, not a clean result', async () => {
  const result = await scanFolder(scanner, join(folder, 'missing'))
  expect(result).toMatchObject({ files: 0, problems: [{ path: '.', reason: 'cannot be listed (ENOENT)' }] })
})

test('a file that vanishes between listing and reading is a problem', async () => {
  for (let at = 0; at < 50; at++) write(`f${at}.js`, value)
  const running = scanFolder(scanner, folder, { concurrency: 1 })
  rmSync(join(folder, 'f9.js'))
  const result = await running
  // Gone before the listing or after it, but never counted as looked at.
  expect(result.files).toBe(49)
  expect(result.problems.every(({ path }) => path === 'f9.js')).toBe(true)
})
