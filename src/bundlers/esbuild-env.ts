import { freeName } from '../core/expose/modules.ts'

/** What every file of a build is given; see `envModule`. */
export const ENV_ID = 'virtual:secrets/env'

/** The one identifier that esbuild puts in. Each more costs a symbol in every file of the build. */
const LOCAL = '__unplugin_secrets_env'
/** Keys with this beginning stand in outputs where a name is read; minifiers leave keys alone. */
const KEY = /\b__secret_[\w$]+/g

const isIdentifier = (name: string): boolean => /^[A-Za-z_$][\w$]*$/.test(name)

function keyOf(name: string): string {
  return `__secret_${isIdentifier(name) ? name : `x${Buffer.from(name).toString('hex')}_`}`
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

/** Whether a read may stand in an output. */
export function mayRead(contents: Uint8Array): boolean {
  return Buffer.from(contents.buffer, contents.byteOffset, contents.byteLength).includes('__secret_')
}

/** The names whose reads stand in an output. */
export function namesRead(code: string, names: Iterable<string>): Set<string> {
  const keys = new Set(Array.from(code.matchAll(KEY), ([key]) => key))
  return new Set([...names].filter((name) => keys.has(keyOf(name))))
}
