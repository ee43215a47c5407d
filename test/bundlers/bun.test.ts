import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { buildEntries } from './built.ts'
import { conformance } from './conformance.ts'
import type { BundlerHarness } from './harness.ts'

const built = await buildEntries(['bundlers/bun', 'providers/index', 'runtime/index', 'runtime/sealed-node'])
const paths = { plugin: built.file('bundlers/bun'), providers: built.file('providers/index') }
const bun = fileURLToPath(new URL('../../node_modules/.bin/bun', import.meta.url))
const script = fileURLToPath(new URL('bun-build.mjs', import.meta.url))

/** Runs a script in Bun. @returns what it printed; rejects with what it complained of */
function inBun(file: string, options: { cwd: string; input?: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(bun, [file], { cwd: options.cwd, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr || error.message))
      else resolve(stdout + stderr)
    })
    child.stdin!.end(options.input ?? '')
  })
}

const harness: BundlerHarness = {
  name: 'bun',
  async build(project, { config, ...options }) {
    // Functions do not travel; every case has the local provider.
    const { providers: _, ...rest } = config
    const input = JSON.stringify({ ...options, config: rest, paths })
    project.output.push(await inBun(script, { cwd: project.root, input }))
  },
}

conformance(harness, { sealed: true, inProcess: false })
