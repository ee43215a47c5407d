// `npm test`: the static checks, the build, the package's own form, then every test against real servers.
// Ends with a line `N passed, N failed`; a check that fails counts as a failed test.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name) => join(root, 'node_modules/.bin', name)
const report = join(root, 'test/.tmp/report.json')
mkdirSync(join(root, 'test/.tmp'), { recursive: true })
rmSync(report, { force: true })

const checks = [
  ['build', process.execPath, ['scripts/build.mjs']],
  ['types', bin('tsc'), ['-p', '.']],
  ['types of the dashboard’s page', bin('tsc'), ['-p', 'src/dashboard/page']],
  ['lint', bin('biome'), ['check', '--error-on-warnings']],
  ['package form', bin('publint'), ['--strict']],
  // ESM only by decision; CommonJS reaches it through require(esm), which Node 20.19 and later have.
  ['type exports', bin('attw'), ['--pack', '.', '--profile', 'esm-only', '--exclude-entrypoints', 'client']],
]

let passed = 0
let failed = 0
for (const [name, command, args] of checks) {
  const started = performance.now()
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  const ok = status === 0
  if (ok) passed++
  else failed++
  console.log(`${ok ? 'ok' : 'FAILED'}: ${name} (${Math.round((performance.now() - started) / 1000)} s)`)
}

const vitest = spawnSync(
  bin('vitest'),
  ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
try {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, success } = JSON.parse(
    readFileSync(report, 'utf8'),
  )
  passed += numPassedTests
  // A suite that could not start has no failed test of its own; one that was skipped proved nothing.
  failed += numFailedTests + numPendingTests + numTodoTests
  if (!success && numFailedTests === 0) failed++
} catch {
  failed++
}
if (vitest.status !== 0 && failed === 0) failed++
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
