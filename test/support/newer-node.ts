import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const folder = fileURLToPath(new URL('../.tmp/nodes', import.meta.url))

/**
 * Another Node than the one the tests run on, as npm has it; kept between runs.
 * @param major of its version
 * @returns the folder of its program
 */
export async function newerNode(major: number): Promise<string> {
  const place = join(folder, String(major))
  const program = join(place, 'node_modules/node/bin')
  if (existsSync(join(program, 'node'))) return program
  mkdirSync(folder, { recursive: true })
  // Two test files may come here at once: each brings one, and the first that is whole stays.
  const draft = mkdtempSync(join(folder, 'draft-'))
  writeFileSync(join(draft, 'package.json'), '{ "private": true }\n')
  await promisify(execFile)('npm', ['install', '--no-package-lock', '--prefer-offline', `node@${major}`], {
    cwd: draft,
  })
  try {
    renameSync(draft, place)
  } catch (error) {
    if (!existsSync(join(program, 'node'))) throw error
    rmSync(draft, { recursive: true, force: true })
  }
  return program
}
