import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const repository = fileURLToPath(new URL('..', import.meta.url))
let root: string

const write = (name: string, text: string): void => {
  mkdirSync(dirname(join(root, name)), { recursive: true })
  writeFileSync(join(root, name), text)
}
/** @returns what TypeScript has against the project, declarations of packages included */
const problems = (types: readonly string[]): string => {
  write(
    'tsconfig.json',
    JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        target: 'es2022',
        module: 'esnext',
        moduleResolution: 'bundler',
        lib: ['es2022', 'dom'],
        types,
      },
      include: ['src'],
    }),
  )
  const tsc = join(repository, 'node_modules/typescript/bin/tsc')
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', root], { encoding: 'utf8' })
  // Declarations of other packages are theirs to get right.
  return stdout
    .split('\n')
    .filter((line) => /^(?:src|.*unplugin-secrets)\//.test(line))
    .join('\n')
}

beforeEach(() => {
  // Outside the repository, whose packages would be found otherwise.
  root = mkdtempSync(join(tmpdir(), 'client-types-'))
  const own = 'node_modules/unplugin-secrets'
  write(
    `${own}/package.json`,
    JSON.stringify({ name: 'unplugin-secrets', exports: { './client': { types: './client.d.ts' } } }),
  )
  copyFileSync(join(repository, 'src/client.d.ts'), join(root, own, 'client.d.ts'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

describe('the event of a changed secret', () => {
  it('has the type of its payload where Vite is', () => {
    symlinkSync(join(repository, 'node_modules/vite'), join(root, 'node_modules/vite'))
    write(
      'src/main.ts',
      `type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
      const is = <A, B>(_same: Same<A, B>): void => {}
      const hot = import.meta.hot!
      hot.on('secrets:update', ({ names }) => is<typeof names, readonly string[]>(true))
      hot.on('secrets:update', (payload) => {
        // @ts-expect-error: there are names, and no values
        payload.values
      })
      // Vite's own are still there.
      hot.on('vite:beforeUpdate', ({ updates }) => updates.length)`,
    )
    expect(problems(['vite/client', 'unplugin-secrets/client'])).toBe('')
  })

  it('is in nobody’s way where Vite is not', () => {
    write(
      'src/main.ts',
      `const document: SecretsJson = 1
      type Port = SecretsOutput<{ secrets: { PORT: { schema: { '~standard': { types?: { output: number } } } } } }, 'PORT'>
      export const port: Port = 1
      // @ts-expect-error: it is a number
      export const text: Port = 'x'
      export { document }`,
    )
    expect(problems(['unplugin-secrets/client'])).toBe('')
  })
})
