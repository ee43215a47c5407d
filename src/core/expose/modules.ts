import type { Json } from '../types.ts'
import { RUNTIME_ID } from './ids.ts'
import type { Manifest } from './manifest.ts'

/** Pure text: data in, module out. Deterministic, so that equal secrets give equal bundles. */

/** ECMAScript words that cannot be bound, though they can be exported under. */
const RESERVED = new Set(
  'arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function if implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof undefined var void while with yield'.split(
    ' ',
  ),
)
/** Whether a name can stand in a declaration. */
export const isBindable = (name: string): boolean => /^[A-Za-z_$][\w$]*$/.test(name) && !RESERVED.has(name)

/** JSON is JavaScript but for `__proto__` keys, two line separators, and `</script>` where code is inlined in HTML. */
export function toLiteral(value: Json | undefined): string {
  if (value === undefined) return 'undefined'
  if (Array.isArray(value)) return `[${value.map((item: Json) => toLiteral(item)).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, item]) => {
      return `${key === '__proto__' ? '["__proto__"]' : toLiteral(key)}:${toLiteral(item as Json)}`
    })
    return `{${entries.join(',')}}`
  }
  return JSON.stringify(value)
    .replaceAll('<', '\\u003C')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029')
}

interface Binding {
  readonly name: string
  readonly local: string
}

/** Names that are no identifiers are exported as strings: `import { "my-key" as myKey }`. */
export function bindings(names: readonly string[]): Binding[] {
  const prefix = freeName('_', names)
  return [...names]
    .sort()
    .map((name, index) => ({ name, local: isBindable(name) ? name : `${prefix}${index}` }))
}

/** A word that no name begins with, made of the one that is given. */
export function freeName(word: string, names: Iterable<string>): string {
  const all = [...names]
  let free = word
  while (all.some((name) => name.startsWith(free))) free += '_'
  return free
}

function aliasExports(all: readonly Binding[]): string {
  const renamed = all.filter(({ name, local }) => name !== local)
  if (renamed.length === 0) return ''
  return `export { ${renamed.map(({ name, local }) => `${local} as ${toLiteral(name)}`).join(', ')} };\n`
}

/** `virtual:secrets/client`: the allowed values, and nothing else in the whole process is reachable from it. */
export function clientModule(values: ReadonlyMap<string, Json | undefined>): string {
  const all = bindings([...values.keys()])
  const lines = all.map(({ name, local }) => {
    return `${name === local ? 'export ' : ''}const ${local} = ${toLiteral(values.get(name)!)};\n`
  })
  return `${lines.join('')}${aliasExports(all)}${lines.length === 0 ? 'export {};\n' : ''}`
}

/**
 * `virtual:secrets/server`, runtime mode: live bindings that the runtime fills at start and again on
 * rotation. Synchronous (a top-level await breaks CommonJS output and `require`), and without a value.
 */
export function serverModule(manifest: Manifest): string {
  const names = Object.keys(manifest.secrets)
  const all = bindings(names)
  // Words of ours that no secret may take away.
  const [bind, values] = [freeName('bind', names), freeName('values', names)]
  const own = all.filter(({ name, local }) => name === local).map(({ local }) => local)
  const others = all.filter(({ name, local }) => name !== local).map(({ local }) => local)
  const targets = all.map(({ name, local }) => `${toLiteral(name)}: ${local}`).join(', ')
  return [
    `import { bind${bind === 'bind' ? '' : ` as ${bind}`} } from ${toLiteral(RUNTIME_ID)};\n`,
    own.length > 0 ? `export let ${own.join(', ')};\n` : '',
    others.length > 0 ? `let ${others.join(', ')};\n` : '',
    `${bind}(${toLiteral(manifest as unknown as Json)}, (${values}) => { ({ ${targets} } = ${values}) });\n`,
    aliasExports(all),
  ].join('')
}

/**
 * `virtual:secrets/server`, sealed mode. Each binding is a declaration without side effects, so a bundler drops
 * those that nothing reads, and the marks that stay in an output tell which values it needs (`sealed.ts`).
 * @param marks stand for the sealed values, and for each name
 */
export function sealedModule(
  manifest: Manifest,
  marks: { readonly values: string; readonly name: (name: string) => string },
): string {
  const names = Object.keys(manifest.secrets)
  const [open, take, sealed, value] = ['open', 'take', 'sealed', 'value'].map((word) => freeName(word, names))
  const all = bindings(names)
  const lines = all.map(({ name, local }) => {
    const args = [sealed, toLiteral(marks.name(name)), toLiteral(manifest.secrets[name]!.kind)]
    const apply = `(${value}) => { ${local} = ${value} }`
    return `${name === local ? 'export ' : ''}let ${local} = /* @__PURE__ */ ${take}(${args.join(', ')}, ${apply});\n`
  })
  return [
    `import { open as ${open}, take as ${take} } from ${toLiteral(RUNTIME_ID)};\n`,
    `const ${sealed} = /* @__PURE__ */ ${open}(${toLiteral(manifest.scope)}, ${toLiteral(marks.values)});\n`,
    ...lines,
    aliasExports(all),
  ].join('')
}

/** What stands in for the server module in a client graph until the build is failed: names, no values. */
export function deniedModule(names: Iterable<string>): string {
  const all = bindings([...names])
  const lines = all.map(
    ({ name, local }) => `${name === local ? 'export ' : ''}const ${local} = undefined;\n`,
  )
  return `${lines.join('')}${aliasExports(all)}export {};\n`
}
