import { Buffer } from 'node:buffer'
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseAst } from 'vite'
import { describe, expect, it, vi } from 'vitest'
import { resolveConfig } from '../src/core/config/resolve.ts'
import { SecretsError, type SecretsErrorCode } from '../src/core/errors.ts'
import { rewriteEnvReads } from '../src/core/expose/env-reads.ts'
import { parseReference } from '../src/core/reference.ts'
import { parseTemplate } from '../src/core/template.ts'
import type { SecretsConfig } from '../src/core/types.ts'
import { canariesIn, canary } from './support/canary.ts'
import { buildClient, failure, fromLocal, makeProject } from './support/project.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

const below = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => !/node_modules|\.tmp/.test(file))
const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...below('docs'),
  ...below('examples'),
].sort()

interface Block {
  readonly page: string
  readonly info: string
  readonly code: string
  readonly line: number
}

const blocks: Block[] = pages.flatMap((page) => {
  const text = read(page)
  return [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map((match) => ({
    page,
    info: match[1]!,
    code: match[2]!,
    line: text.slice(0, match.index).split('\n').length,
  }))
})
const blocksOf = (info: string): Block[] => blocks.filter((block) => block.info === info)

/** The rows of every table of a page, cell by cell. */
const rowsOf = (page: string): string[][] =>
  read(page)
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('|---'))
    .map((line) => line.slice(1, -1).split(/(?<!\\)\|/))
    .map((cells) => cells.map((cell) => cell.trim()))
const firstCells = (page: string): string[] => rowsOf(page).map((cells) => cells[0]!.replaceAll('`', ''))

/** The properties that an interface or a type declares, as its source says. */
const membersOf = (file: string, name: string): string[] => {
  const source = read(file)
  const start = source.search(new RegExp(`(?:interface|type) ${name}\\b`))
  expect(start, `${file} has no ${name}`).not.toBe(-1)
  const body = source.slice(
    start,
    source.indexOf(`\n${source.slice(start).startsWith('type') ? '\n' : '}'}`, start),
  )
  return [...new Set([...body.matchAll(/^ +(?:readonly )?(\w+)\??: /gm)].map((match) => match[1]!))]
}

describe('TypeScript in the documentation', () => {
  it('type-checks against the sources', () => {
    const folder = join(root, 'test/.tmp/docs')
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    const checked = blocksOf('ts')
    expect(checked.length).toBeGreaterThan(15)
    for (const [index, { code, page, line }] of checked.entries())
      writeFileSync(join(folder, `block${index}.ts`), `// ${page}:${line}\n${code}`)
    // What blocks about the example import from beside them.
    copyFileSync(join(root, 'examples/custom-provider/provider.ts'), join(folder, 'provider.ts'))
    const names = ['API_TOKEN', 'DATABASE_URL', 'MAPS_KEY', 'STRIPE_KEY']
    const exports = names.map((name) => `  export const ${name}: string\n`).join('')
    const modules = ['client', 'server'].map(
      (side) => `declare module 'virtual:secrets/${side}' {\n${exports}  export const db: SecretsJson\n}\n`,
    )
    const env = `interface ImportMeta { readonly env: { ${names.map((name) => `${name}: string`).join('; ')} } }\n`
    writeFileSync(join(folder, 'virtual.d.ts'), modules.join('') + env)
    const entry = (path: string): string[] => [join('../../../src', path)]
    const config = {
      extends: '../../../tsconfig.json',
      compilerOptions: {
        lib: ['es2023', 'dom'],
        noUnusedLocals: false,
        // The paths are where a published package has its entries.
        paths: {
          'unplugin-secrets': entry('index.ts'),
          'unplugin-secrets/vite': entry('bundlers/vite.ts'),
          'unplugin-secrets/esbuild': entry('bundlers/esbuild.ts'),
          'unplugin-secrets/providers': entry('providers/index.ts'),
          'unplugin-secrets/runtime': entry('runtime/index.ts'),
          'unplugin-secrets/testing': entry('testing/index.ts'),
        },
      },
      include: ['*.ts', '../../../src/client.d.ts', '../../../examples/custom-provider/*.ts'],
      exclude: [],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const tsc = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], {
      cwd: root,
      encoding: 'utf8',
    })
    const where = tsc.stdout.replace(/test\/\.tmp\/docs\/block(\d+)\.ts\((\d+)/g, (_, index, line) => {
      const block = checked[Number(index)]!
      return `${block.page}(${block.line + Number(line) - 1}`
    })
    expect(where).toBe('')
    expect(tsc.status).toBe(0)
  })

  it('shows the example provider as it is', () => {
    const shown = blocks.filter(({ page }) => page === 'docs/providers/your-own.md').map(({ code }) => code)
    expect(shown).toContain(read('examples/custom-provider/provider.ts'))
  })
})

describe('configurations in the documentation', () => {
  const isConfig = ({ code }: Block): boolean =>
    /from 'unplugin-secrets'/.test(code) && /^export default defineConfig/m.test(code)
  it.each(blocksOf('ts').filter(isConfig))('$page:$line resolves', async ({ code, page, line }) => {
    const folder = join(root, 'test/.tmp/docs-configs')
    mkdirSync(folder, { recursive: true })
    const source = (path: string): string => `'${pathToFileURL(join(root, path)).href}'`
    const own = (text: string): string =>
      text
        .replaceAll(`'unplugin-secrets'`, source('src/index.ts'))
        .replaceAll(`'unplugin-secrets/providers'`, source('src/providers/index.ts'))
    writeFileSync(join(folder, 'provider.ts'), own(read('examples/custom-provider/provider.ts')))
    const file = join(folder, `${page.replace(/\W/g, '_')}_${line}.ts`)
    writeFileSync(file, own(code))
    const { default: config } = (await import(file)) as { default: SecretsConfig }
    const resolved = await resolveConfig({ configFile: false, root: folder, ...config })
    expect(resolved.secrets.size + resolved.imports.length).toBeGreaterThan(0)
  })

  it.each(blocksOf('json'))('$page:$line resolves', async ({ code }) => {
    const resolved = await resolveConfig({ configFile: false, root, ...(JSON.parse(code) as SecretsConfig) })
    expect(resolved.secrets.size + resolved.imports.length).toBeGreaterThan(0)
  })
})

describe('what a build prints', () => {
  const [DATABASE_URL, STRIPE_KEY, MAPS_KEY] = [canary('db'), canary('stripe'), canary('maps')]
  const cases: [begins: string, files: Record<string, string>][] = [
    [
      'Client code reads STRIPE_KEY',
      {
        'src/main.ts': `import './checkout.ts'\n`,
        'src/checkout.ts': `import { pay } from './pay.ts'\npay()\n`,
        'src/pay.ts': `export const pay = () => charge(import.meta.env.STRIPE_KEY)\ndeclare const charge: any`,
      },
    ],
    [
      'Client code imports virtual:secrets/server',
      { 'src/main.ts': `import { DATABASE_URL } from 'virtual:secrets/server'\nconsole.log(DATABASE_URL)` },
    ],
    [
      'A key of import.meta.env is computed',
      {
        'src/main.ts': `export const get = (name: string) => import.meta.env[name]\nconsole.log(get('x'))`,
      },
    ],
    [
      '2 server-only secrets found',
      {
        'src/main.ts': `console.log('${DATABASE_URL}', '${Buffer.from(STRIPE_KEY).toString('base64')}')`,
      },
    ],
  ]
  it.each(cases)('%s', async (begins, files) => {
    const page = '<!doctype html><script type="module" src="/src/main.ts"></script>'
    const project = await makeProject(
      { 'index.html': page, ...files },
      { DATABASE_URL, STRIPE_KEY, MAPS_KEY },
    )
    try {
      const config = fromLocal(['DATABASE_URL', 'STRIPE_KEY', 'MAPS_KEY'], { client: ['MAPS_KEY'] })
      const printed = await failure(buildClient(project, config))
      expect(canariesIn(printed, [DATABASE_URL, STRIPE_KEY, MAPS_KEY])).toEqual([])
      const shown = blocks.find(
        ({ page, code }) => page === 'docs/bundlers/vite.md' && code.startsWith(begins),
      )
      // Hash and column of an emitted file are nobody's promise.
      const stable = (text: string): string =>
        text.replace(/index-[\w-]+\.js:\d+:\d+/g, 'index.js').replace(/ +/g, ' ')
      expect(stable(printed)).toContain(stable(shown!.code.trimEnd()))
    } finally {
      project.remove()
      vi.unstubAllEnvs()
    }
  })
})

describe('printed errors', () => {
  const owners = { reference: 'secrets.DATABASE_URL', template: 'secrets.API_URL' } as const
  it.each(
    (['reference', 'template'] as const).flatMap((kind) =>
      blocksOf(`text ${kind}-error`).map((block) => ({ kind, ...block })),
    ),
  )('$page:$line is what is printed', ({ kind, code }) => {
    // The line above the caret is what was read.
    const lines = code.split('\n')
    const source = lines[lines.findIndex((line) => /^ +\^$/.test(line)) - 1]!.slice(2)
    const parse = kind === 'reference' ? parseReference : parseTemplate
    let printed = ''
    try {
      parse(source, owners[kind])
    } catch (error) {
      printed = (error as SecretsError).format()
    }
    expect(`${printed}\n`).toBe(code)
  })

  it('shows every way in which a reference or a template can be wrong', () => {
    for (const kind of ['reference', 'template'] as const) {
      const shown = blocksOf(`text ${kind}-error`)
        .map(({ code }) => code)
        .join('')
      const source = read(`src/core/${kind}.ts`)
      for (const [, why] of source.matchAll(/\bfail\(\s*[`'](.+?)[`'],/g)) {
        expect(shown).toContain(why!.replace('${name}', 'version'))
      }
    }
  })
})

describe('tables', () => {
  it('has a row for every error code, and says truly when the cache stands in', () => {
    const source = read('src/core/errors.ts')
    const union = source.slice(source.indexOf('type SecretsErrorCode ='), source.indexOf('const TRANSIENT'))
    const codes = [...union.matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map((match) => match[1]!)
    const rows = new Map(rowsOf('docs/errors.md').map((cells) => [cells[0]!.replaceAll('`', ''), cells]))
    expect([...rows.keys()].filter((code) => /^[A-Z_]+$/.test(code)).sort()).toEqual(codes.sort())
    const reads = read('src/core/reads.ts')
    const forgotten = reads.slice(reads.indexOf('const FORGOTTEN'), reads.indexOf('])'))
    for (const code of codes) {
      const { transient } = new SecretsError(code as SecretsErrorCode, '')
      const cache = rows.get(code)!.at(-1)
      expect([code, cache === 'stands in']).toEqual([code, transient])
      expect([code, cache === 'forgotten']).toEqual([code, forgotten.includes(`'${code}'`)])
    }
  })

  it('has a row for every setting', () => {
    const rows = firstCells('docs/configuration.md')
    const of = (name: string, prefix = ''): string[] =>
      membersOf('src/core/config/settings.ts', name).map((member) => prefix + member)
    expect(rows).toEqual(
      expect.arrayContaining([
        ...of('SecretsConfig'),
        ...of('ProfileOverlay'),
        ...of('SecretDeclaration'),
        ...of('CacheOptions', 'cache.'),
      ]),
    )
    expect(of('SecretsConfig')).toContain('replaceProcessEnv')
  })

  it.each([
    ['vault', 'src/providers/vault/options.ts', 'VaultOptions', ''],
    ['vault', 'src/providers/vault/options.ts', 'VaultTls', 'tls.'],
    ['vault', 'src/providers/vault/auth/token.ts', 'TokenAuth', 'auth.'],
    ['vault', 'src/providers/vault/auth/approle.ts', 'AppRoleAuth', 'auth.'],
    ['vault', 'src/providers/vault/auth/kubernetes.ts', 'KubernetesAuth', 'auth.'],
    ['vault', 'src/providers/vault/auth/jwt.ts', 'JwtAuth', 'auth.'],
    ['vault', 'src/providers/vault/auth/oidc.ts', 'OidcAuth', 'auth.'],
    ['vault', 'src/providers/vault/auth/password.ts', 'PasswordAuth', 'auth.'],
    ['vault', 'src/providers/vault/auth/github.ts', 'GitHubAuth', 'auth.'],
    ['vault', 'src/providers/vault/auth/cert.ts', 'CertAuth', 'auth.'],
    ['aws', 'src/providers/aws/options.ts', 'AwsOptions', ''],
    ['aws', 'src/providers/aws/options.ts', 'AwsAuth', 'auth.'],
    ['local', 'src/providers/local/index.ts', 'LocalOptions', ''],
    ['dotenv', 'src/providers/dotenv.ts', 'DotenvOptions', ''],
    ['vault-env', 'src/providers/vault-env/index.ts', 'VaultEnvOptions', ''],
  ])('%s: has a row for every option of %s %s', (page, file, name, prefix) => {
    const members = membersOf(file, name)
    expect(members.length).toBeGreaterThan(0)
    expect(firstCells(`docs/providers/${page}.md`)).toEqual(
      expect.arrayContaining(members.map((member) => prefix + member)),
    )
  })

  const forms = rowsOf('docs/bundlers/vite.md').filter(([, what]) =>
    /^(value|error|untouched)$/.test(what ?? ''),
  )
  it.each(forms)('vite: %s gives %s', (cell, what) => {
    const code = cell!.replace(/^`|`$/g, '')
    const { output, problems } = rewriteEnvReads(code, parseAst(code), {
      names: new Set(['MAPS_KEY', 'DATABASE_URL']),
      from: 'virtual:secrets/client',
      allows: (name) => name === 'MAPS_KEY',
      exported: (name) => name === 'MAPS_KEY',
      processEnv: false,
    })
    expect(problems.length > 0 ? 'error' : output ? 'value' : 'untouched').toBe(what)
  })
})

describe('links', () => {
  it.each(pages)('%s leads to files and headings that are there', (page) => {
    const anchorsOf = (file: string): string[] =>
      [...read(file).matchAll(/^#+ (.+)$/gm)].map((match) =>
        match[1]!
          .toLowerCase()
          .replace(/[^\w\- ]/g, '')
          .replaceAll(' ', '-'),
      )
    const broken = [...read(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].flatMap(([, link]) => {
      const [path, anchor] = link!.split('#') as [string, string | undefined]
      const target = path === '' ? page : join(dirname(page), path)
      if (!existsSync(join(root, target))) return link!
      return anchor === undefined || anchorsOf(target).includes(anchor) ? [] : link!
    })
    expect(broken).toEqual([])
  })

  it('names no place of this machine', () => {
    for (const page of pages) expect(read(page)).not.toMatch(/\/tmp\/|\/work\/|localhost:4873/)
  })
})
