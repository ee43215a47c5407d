import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { walk } from 'estree-walker'
import { parseSync } from 'rolldown/utils'
import { describe, expect, it } from 'vitest'

/** One way from a file to another module. */
interface Import {
  /** Relative to `src/`; the name of a package or of Node's own module as it is. */
  readonly to: string
  readonly types: boolean
  readonly dynamic: boolean
}

interface Source {
  /** Relative to `src/`. */
  readonly file: string
  readonly text: string
  readonly imports: readonly Import[]
  /** `.reveal(` is called. */
  readonly reveals: boolean
  /** `process.env` is touched, not only written about. */
  readonly readsEnvironment: boolean
}

const root = fileURLToPath(new URL('../src/', import.meta.url))

function read(file: string): Source {
  const text = readFileSync(join(root, file), 'utf8')
  const imports: Import[] = []
  let reveals = false
  let readsEnvironment = false
  const lang = file.endsWith('.tsx') ? 'tsx' : 'ts'
  const { program, errors } = parseSync(file, text, { lang, astType: 'ts' })
  expect([file, errors]).toEqual([file, []])
  const add = (source: { value?: unknown } | null | undefined, types: boolean, dynamic = false): void => {
    if (typeof source?.value !== 'string') return
    const to = source.value.startsWith('.')
      ? relative(root, resolve(root, dirname(file), source.value))
      : source.value
    imports.push({ to, types, dynamic })
  }
  walk(program as unknown as Parameters<typeof walk>[0], {
    enter(entered) {
      // biome-ignore lint/suspicious/noExplicitAny: the few fields of many kinds of nodes
      const node = entered as any
      if (/^(Import|ExportNamed|ExportAll)Declaration$/.test(node.type)) {
        const kind = node.importKind ?? node.exportKind
        const parts = (node.specifiers ?? []) as { importKind?: string; exportKind?: string }[]
        const allTypes =
          parts.length > 0 && parts.every((part) => (part.importKind ?? part.exportKind) === 'type')
        add(node.source, kind === 'type' || allTypes)
      }
      if (node.type === 'ImportExpression') add(node.source, false, true)
      if (node.type === 'TSImportType') add(node.argument?.literal ?? node.source ?? node.argument, true)
      if (node.type === 'MemberExpression') {
        if (node.property.name === 'reveal') reveals = true
        if (
          node.property.name === 'env' &&
          /(^|\.)process$/.test(text.slice(node.object.start, node.object.end).replace('?', ''))
        )
          readsEnvironment = true
      }
    },
  })
  return { file, text, imports, reveals, readsEnvironment }
}

const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => /\.tsx?$/.test(file) && !file.endsWith('.d.ts'))
  .sort()
  .map(read)

/** Every arrow that starts in files matching one pattern and ends where another one matches. */
function arrows(from: RegExp, to: RegExp, which: (arrow: Import) => boolean = () => true): string[] {
  return sources
    .filter(({ file }) => from.test(file))
    .flatMap(({ file, imports }) =>
      imports.filter((arrow) => to.test(arrow.to) && which(arrow)).map((arrow) => `${file} → ${arrow.to}`),
    )
}

const runs = ({ types }: Import): boolean => !types
const OURS = /^(bundlers|cli|core|dashboard|dotenv|providers|runtime|server|testing)\/|^index\.ts$/

/** Everything that is loaded with a file: its imports and theirs, but for those that wait for a call. */
function reached(entry: string): Set<string> {
  const found = new Set([entry])
  for (const file of found)
    for (const { to, types, dynamic } of sources.find((source) => source.file === file)?.imports ?? [])
      if (!types && !dynamic) found.add(to)
  return found
}

describe('arrows point one way', () => {
  it('sees them at all', () => {
    expect(sources.length).toBeGreaterThan(60)
    expect(arrows(/^core\/config\/resolve\.ts$/, /^providers\//)).toEqual([
      'core/config/resolve.ts → providers/index.ts',
    ])
    expect(arrows(/^runtime\/index\.ts$/, /^core\//)).toEqual(['runtime/index.ts → core/expose/manifest.ts'])
    expect(arrows(/^core\/config\/load\.ts$/, /^jiti$/, ({ dynamic }) => dynamic)).toHaveLength(1)
  })

  it('the core knows no bundler, no program, no runtime', () => {
    expect(
      arrows(/^core\//, /^(bundlers|cli|dashboard|dotenv|runtime|server|testing)\/|^index\.ts$/),
    ).toEqual([])
    expect(
      arrows(
        /^core\//,
        /^(vite|webpack|rollup|rolldown|esbuild|@rspack|@farmfe|unplugin|node-vault|@aws-sdk|citty)(\/|$)/,
      ),
    ).toEqual([])
  })

  it('the core reaches providers through their registry', () => {
    const allowed = ['core/config/resolve.ts → providers/index.ts']
    expect(arrows(/^core\//, /^providers\//, runs)).toEqual(allowed)
    expect(arrows(/^core\//, /^providers\//)).toEqual(allowed)
  })

  it('the ground floor stands on nothing above it', () => {
    const ground =
      /^core\/(crypto\/.*|reference|redact|errors|nearest|duration|types|fields|files|watch-files|config\/settings)\.ts$/
    const above = sources
      .filter(({ file }) => ground.test(file))
      .flatMap(({ file, imports }) =>
        imports.filter(({ to }) => OURS.test(to) && !ground.test(to)).map(({ to }) => `${file} → ${to}`),
      )
    expect(above).toEqual([])
    expect(arrows(/^core\/(errors|types)\.ts$/, OURS, runs)).toEqual([])
    expect(arrows(/^core\/redact\.ts$/, OURS)).toEqual([])
  })

  it('providers stand on the ground floor, and on nothing of each other', () => {
    const outside = arrows(
      /^providers\//,
      /^(?!providers\/)(?!core\/(crypto\/.*|reference|redact|errors|nearest|duration|types|fields|files|watch-files|config\/settings)\.ts$)/,
    )
    expect(outside.filter((arrow) => OURS.test(arrow.split(' → ')[1]!))).toEqual([])
    for (const name of ['vault', 'aws', 'local', 'vault-env']) {
      const others = new RegExp(`^providers/(?!${name}/)[\\w-]+/`)
      expect(arrows(new RegExp(`^providers/${name}/`), others)).toEqual([])
    }
  })

  it('what a server bundles takes only types from the core', () => {
    expect(arrows(/^runtime\/(?!load\.ts$)/, /^core\//, runs)).toEqual([])
    expect(arrows(/^runtime\//, /^(bundlers|cli|dashboard|dotenv|server|testing)\//)).toEqual([])
    // It has to run where there is no Node: Node's modules are asked for, not imported.
    expect(
      arrows(/^runtime\/(?!load\.ts$)/, /^node:|^[a-z@]/, runs).filter((arrow) => !/→ runtime\//.test(arrow)),
    ).toEqual(arrows(/^runtime\/sealed-edge\.ts$/, /^@noble\//))
    expect(reached('runtime/sealed-node.ts')).not.toContain('@noble/ciphers/aes.js')
  })

  it('entries of bundlers, programs and pages are nobody’s ground', () => {
    expect(arrows(/^(?!bundlers\/)/, /^bundlers\//)).toEqual([])
    expect(arrows(/^(?!cli\/)/, /^cli\//)).toEqual([])
    expect(arrows(/^(?!testing\/)/, /^testing\//)).toEqual([])
  })

  it('the dashboard’s page is sent to browsers: its own files, its libraries, and types of what it is told', () => {
    expect(
      arrows(/^dashboard\/page\//, /^(?!dashboard\/page\/|preact(\/hooks)?$|eventsource-parser$)/, runs),
    ).toEqual([])
    expect(
      [...new Set(arrows(/^dashboard\/page\//, OURS).map((arrow) => arrow.split(' → ')[1]!))].filter(
        (to) => !to.startsWith('dashboard/page/'),
      ),
    ).toEqual(['dashboard/api.ts'])
    expect(arrows(/^(?!dashboard\/page\/)/, /^dashboard\/page\//)).toEqual([])
  })

  it('SDKs are imported where they are used, when they are used', () => {
    expect(arrows(/^(?!providers\/vault\/)/, /^node-vault/)).toEqual([])
    expect(arrows(/^(?!providers\/aws\/)/, /^@aws-sdk\//)).toEqual([])
    // What starts with an entry is there at every start.
    const heavy = /^(node-vault|@aws-sdk\/|jiti$|proper-lockfile$|dotenv$|vite$|vitest$)/
    for (const entry of [
      'index.ts',
      'providers/index.ts',
      'runtime/index.ts',
      'runtime/load.ts',
      'runtime/load.ts',
      'cli/main.ts',
      'bundlers/vite.ts',
    ])
      expect([entry, [...reached(entry)].filter((to) => heavy.test(to))]).toEqual([entry, []])
    expect(reached('index.ts')).toContain('providers/vault/index.ts')
  })

  it('nothing goes in a circle when it runs', () => {
    const needs = new Map(
      sources.map(({ file, imports }) => [
        file,
        imports.filter(({ types, dynamic }) => !types && !dynamic).map(({ to }) => to),
      ]),
    )
    const circles: string[] = []
    const done = new Set<string>()
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
      if (done.has(file)) return
      done.add(file)
      for (const next of needs.get(file) ?? []) visit(next, [...path, file])
    }
    for (const file of needs.keys()) visit(file, [])
    expect(circles).toEqual([])
  })
})

describe('what is rare stays rare', () => {
  it('a file fits in one sitting', () => {
    const long = sources.filter(({ text }) => text.split('\n').length > 351).map(({ file }) => file)
    expect(long).toEqual([])
  })

  it('values are revealed only where they are handed on', () => {
    const may = [
      'core/expose/exposure.ts',
      'core/move-to-local.ts',
      'core/redact.ts',
      'core/snapshot.ts',
      'core/values.ts',
      'runtime/load.ts',
      // What a person asked to see, or a child process to have.
      'dashboard/handler.ts',
      /^cli\/(commands\/)?(get|run|inject|pull)\.ts$/,
      /^cli\/.*\b(reveal|redact|run)[\w-]*\.ts$/,
    ]
    expect(notIn(may, ({ reveals }) => reveals)).toEqual([])
  })

  it('the environment is read only where the design says so', () => {
    const may = [
      'core/cache/index.ts',
      'core/config/resolve.ts',
      'core/crypto/keys.ts',
      'core/crypto/keychain.ts',
      'core/files.ts',
      'core/log.ts',
      'core/reads.ts',
      'providers/env.ts',
      'runtime/value.ts',
      'runtime/load.ts',
      /^providers\/(vault|aws|vault-env)\//,
      /^cli\//,
      /^dotenv\//,
    ]
    expect(notIn(may, ({ readsEnvironment }) => readsEnvironment)).toEqual([])
  })
})

function notIn(may: readonly (string | RegExp)[], found: (source: Source) => boolean): string[] {
  return sources
    .filter(found)
    .map(({ file }) => file)
    .filter((file) => !may.some((one) => (typeof one === 'string' ? one === file : one.test(file))))
}
