// How fast a folder of emitted files is searched for secrets: `node bench/scan.mjs [megabytes]`
import { createHash, randomBytes } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { loadSource, root, temporary } from './load.mjs'

const RUNS = 5
const megabytes = Number(process.argv[2] ?? 100)
const { createScanner, scanFolder } = await loadSource('src/core/scan/index.ts')

const corpus = join(temporary, 'scan-corpus')
const files = makeCorpus(corpus, megabytes * 1e6)
const sets = {
  '200 random secrets': Array.from({ length: 200 }, (_, index) => ({
    name: `S${index}`,
    text: randomSecret(index),
  })),
}
sets['the same, 5 of them PEM keys and JSON documents'] = [
  ...sets['200 random secrets'].slice(5),
  ...Array.from({ length: 5 }, (_, index) => ({
    name: `K${index}`,
    text: index % 2 ? pem() : serviceAccount(),
  })),
]
sets['200 long random secrets'] = Array.from({ length: 200 }, (_, index) => ({
  name: `L${index}`,
  text: randomBytes(24 + (index % 24)).toString('base64url'),
}))

for (const [title, values] of Object.entries(sets)) await measure(title, values)
measureNaive(sets['200 random secrets'])

async function measure(title, values) {
  const started = performance.now()
  const scanner = createScanner(values)
  const built = performance.now() - started
  const before = process.memoryUsage.rss()
  let highest = before
  const sampler = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 5)
  const withReading = []
  const cpu = []
  let result
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now()
    const used = process.cpuUsage()
    result = await scanFolder(scanner, corpus)
    withReading.push(result.bytes / 1e6 / ((performance.now() - start) / 1000))
    const { user, system } = process.cpuUsage(used)
    cpu.push(result.bytes / (user + system))
  }
  clearInterval(sampler)
  const extra = (highest - before) / 1e6
  const contents = files.map((file) => readFileSync(file))
  const scanOnly = []
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now()
    for (const [index, bytes] of contents.entries()) scanner.scan(bytes, files[index])
    scanOnly.push(result.bytes / 1e6 / ((performance.now() - start) / 1000))
  }
  console.log(`${title} (${(result.bytes / 1e6).toFixed(1)} MB, ${result.files} files)`)
  console.log(`  scan only           ${median(scanOnly).toFixed(0)} MB/s`)
  console.log(
    `  reading and scan    ${median(withReading).toFixed(0)} MB/s, ${median(cpu).toFixed(0)} MB for a second of CPU`,
  )
  console.log(`  building            ${built.toFixed(1)} ms`)
  console.log(`  memory beyond start ${extra.toFixed(0)} MB, at most ${(highest / 1e6).toFixed(0)} MB in all`)
  console.log(`  findings            ${result.findings.length} (problems ${result.problems.length})`)
}

/** Every form as a needle of its own, plain and encoded, without undoing any escape. */
function measureNaive(values) {
  const needles = values.flatMap(({ text }) => {
    const bytes = Buffer.from(text)
    const base64 = [0, 1, 2].map((before) =>
      Buffer.concat([Buffer.alloc(before), bytes])
        .toString('base64')
        .slice(Math.ceil((before * 8) / 6), -3),
    )
    return [text, ...base64, bytes.toString('hex'), encodeURIComponent(text)].map((form) => Buffer.from(form))
  })
  let size = 0
  const start = performance.now()
  for (const file of files) {
    if (size > 4e6) break
    const bytes = readFileSync(file)
    size += bytes.length
    for (const needle of needles) bytes.indexOf(needle)
  }
  const speed = size / 1e6 / ((performance.now() - start) / 1000)
  console.log(
    `Buffer.indexOf for each of ${needles.length} forms, no escapes: ${speed.toFixed(1)} MB/s (${(size / 1e6).toFixed(1)} MB)`,
  )
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
}

/** From 12 characters on, as passwords, tokens and connection strings look. */
function randomSecret(index) {
  const length = 9 + (index % 30)
  const kind = index % 4
  if (kind === 0) return randomBytes(length).toString('hex')
  if (kind === 1) return `sk_live_${randomBytes(length).toString('base64url')}`
  if (kind === 2) return `postgres://app:${randomBytes(length).toString('base64url')}@db.internal:5432/app`
  return randomBytes(length).toString('base64').replaceAll('A', '"').replaceAll('B', '\\')
}

function pem() {
  const body = randomBytes(1200)
    .toString('base64')
    .match(/.{1,64}/g)
    .join('\n')
  return `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`
}

function serviceAccount() {
  return JSON.stringify(
    {
      type: 'service_account',
      project_id: 'example',
      private_key: pem(),
      token_uri: 'https://oauth2.googleapis.com/token',
    },
    null,
    2,
  )
}

/** What bundlers emit, out of what is installed: scripts and maps, repeated when there is too little. */
function makeCorpus(folder, bytes) {
  const key = createHash('sha256')
    .update(`${bytes} ${statSync(join(root, 'package-lock.json')).mtimeMs}`)
    .digest('hex')
  const stamp = join(temporary, 'scan-corpus.key')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key)
    return readdirSync(folder).map((name) => join(folder, name))
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const sources = readdirSync(join(root, 'node_modules'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:m?js|map)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, size: statSync(path).size }))
    // Bundles are few and large.
    .filter(({ size }) => size > 20_000)
    .sort((a, b) => (a.path < b.path ? -1 : 1))
  const made = []
  for (let total = 0; total < bytes; ) {
    for (const { path, size } of sources) {
      if (total >= bytes) break
      const target = join(folder, `${String(made.length).padStart(5, '0')}.${path.split('.').at(-1)}`)
      copyFileSync(path, target)
      made.push(target)
      total += size
    }
  }
  writeFileSync(stamp, key)
  return made
}
