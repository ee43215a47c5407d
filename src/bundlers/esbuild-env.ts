import { SERVER_ID } from '../core/expose/ids.ts'
import { freeName } from '../core/expose/modules.ts'

/** What every file of a build is given; see `envModule`. */
export const ENV_ID = 'virtual:secrets/env'

/** The one identifier that esbuild puts in. Each more costs a symbol in every file of the build. */
const LOCAL = '__unplugin_secrets_env'
/** Keys with this beginning stand in outputs where a name is read; minifiers leave keys alone. */
const KEY = '__secret_'

/**
 * Says that the module is an empty file, so that maps quote nothing of it: esbuild ignores a map without sources.
 * In pieces, because tools look for such a comment in this file too.
 */
export const UNQUOTED = [
  '//#',
  `sourceMappingURL=data:application/json,${encodeURIComponent(
    JSON.stringify({ version: 3, sources: [SERVER_ID], sourcesContent: [''], names: [], mappings: 'AAAA' }),
  )}\n`,
].join(' ')

const isIdentifier = (name: string): boolean => /^[A-Za-z_$][\w$]*$/.test(name)

function keyOf(name: string): string {
  return `${KEY}${isIdentifier(name) ? name : `x${Buffer.from(name).toString('hex')}_`}`
}

/**
 * esbuild's own replacement of each direct read: a key of the environment module's one export.
 * @param apart an export for each name instead, so that esbuild drops those that nothing reads
 */
export function definesFor(
  names: Iterable<string>,
  processEnv: boolean,
  apart: boolean,
): Record<string, string> {
  const objects = ['import.meta.env', ...(processEnv ? ['process.env'] : [])]
  const all = [...names].flatMap((name) => {
    const member = isIdentifier(name) ? `.${name}` : `[${JSON.stringify(name)}]`
    return objects.map((object) => [`${object}${member}`, apart ? keyOf(name) : `${LOCAL}.${keyOf(name)}`])
  })
  return Object.fromEntries(all) as Record<string, string>
}

/** Getters keep server bindings live; the object has no effect of its own, so it goes where nothing reads it. */
export function envModule(names: readonly string[], from: string): string {
  const values = freeName('values', names)
  const keys = names.map((name) => `  get ${keyOf(name)}() { return ${values}[${JSON.stringify(name)}] },\n`)
  return `import * as ${values} from ${JSON.stringify(from)};\nexport const ${LOCAL} = {\n${keys.join('')}};\n`
}

/** The same where what nothing reads must go: in a sealed server. */
export function apartEnvModule(names: readonly string[], from: string): string {
  const specifiers = names.map(
    (name) => `${isIdentifier(name) ? name : JSON.stringify(name)} as ${keyOf(name)}`,
  )
  return `export { ${specifiers.join(', ')} } from ${JSON.stringify(from)};\n`
}

/** Names by the keys that stand in an output where they are read. */
export function namesByKey(names: Iterable<string>): Map<string, string> {
  return new Map([...names].map((name) => [keyOf(name), name]))
}

/** The names whose reads stand in an output, in whose bytes they are searched for: its text would have to be made. */
export function namesRead(contents: Uint8Array, names: ReadonlyMap<string, string>): Set<string> {
  const bytes = Buffer.from(contents.buffer, contents.byteOffset, contents.byteLength)
  const found = new Set<string>()
  for (let at = bytes.indexOf(KEY); at !== -1; at = bytes.indexOf(KEY, at + 1)) {
    let end = at + KEY.length
    while (/[\w$]/.test(String.fromCharCode(bytes[end] ?? 0))) end++
    const name = names.get(bytes.toString('latin1', at, end))
    // Not within a longer word.
    if (name !== undefined && !/\w/.test(String.fromCharCode(bytes[at - 1] ?? 0))) found.add(name)
  }
  return found
}
