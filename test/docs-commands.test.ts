import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { commands } from '../src/cli/commands/index.ts'
import { EXIT } from '../src/cli/errors.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = readFileSync(join(root, 'docs/commands.md'), 'utf8')

it('is what the commands say of themselves', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/docs.mjs', '--check'], {
    cwd: root,
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
})

it('has every command, flag, example and exit code', async () => {
  for (const [name, { load }] of Object.entries(commands)) {
    const section = page.split(/^## /m).find((part) => part.startsWith(`${name}\n`))!
    const { definition, examples } = (await load()).default
    for (const [flag, { type }] of Object.entries(definition.args as Record<string, { type: string }>)) {
      const shown = type === 'positional' ? `\`${flag.toUpperCase()}\`` : new RegExp(`\`--(no-)?${flag}[ \`]`)
      expect(section + page.slice(0, page.indexOf('## Exit codes'))).toMatch(shown)
    }
    for (const [line] of examples) expect(section).toContain(line)
  }
  const codes = [...page.matchAll(/^\| (\d+) +\|/gm)].map(([, code]) => Number(code))
  expect(codes).toEqual(Object.values(EXIT))
})

it('says what is masked and what is not', () => {
  expect(page).toMatch(/values that browsers may see anyway,[^.]* are not masked/i)
})
