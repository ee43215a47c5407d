/** The few shapes of ESTree that reading an environment takes. Offsets are UTF-16. */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly object?: Node
  readonly property?: Node
  readonly computed?: boolean
  readonly name?: string
  readonly value?: unknown
  readonly key?: Node
  readonly id?: Node
  readonly init?: Node | null
  readonly left?: Node
  readonly right?: Node
  readonly operator?: string
  readonly argument?: Node
  readonly properties?: readonly Node[]
  readonly expressions?: readonly Node[]
  readonly quasis?: readonly (Node & { readonly value: { readonly cooked: string | null } })[]
  readonly meta?: Node
  readonly expression?: Node
  readonly kind?: string
  readonly declarations?: readonly Node[]
  readonly params?: readonly Node[]
  readonly param?: Node | null
  readonly elements?: readonly (Node | null)[]
  readonly specifiers?: readonly (Node & { readonly local: Node; readonly imported?: Node })[]
  readonly source?: Node | null
  /** `type`: an import that TypeScript takes away. */
  readonly importKind?: string
  readonly exportKind?: string
  readonly declare?: boolean
  readonly parameter?: Node
}

/** What stands around an expression and changes nothing of its value: TypeScript's own are gone when it runs. */
const WRAPPERS = new Set([
  // `a?.b` is a chain around a member.
  'ChainExpression',
  // Some parsers keep these.
  'ParenthesizedExpression',
  'TSAsExpression',
  'TSInstantiationExpression',
  'TSNonNullExpression',
  'TSSatisfiesExpression',
  'TSTypeAssertion',
])

/** Whether a node is only a wrapper of its `expression`. */
export function isWrapper({ type }: Node): boolean {
  return WRAPPERS.has(type)
}

/** The few of TypeScript's own nodes in which code that runs can stand. */
const TS_CODE = /^TS(Enum|Module|ExportAssignment|ImportEquals|ExternalModule|ParameterProperty)/

/** Whether TypeScript takes the node away: types, declarations of what is elsewhere, imports of types. */
export function isTypeOnly(node: Node): boolean {
  if (node.declare || node.importKind === 'type' || node.exportKind === 'type') return true
  return node.type.startsWith('TS') && !isWrapper(node) && !TS_CODE.test(node.type)
}

/** A node without its wrappers. */
export function bare(node: Node | null | undefined): Node | undefined {
  let at = node ?? undefined
  while (at && isWrapper(at)) at = at.expression
  return at
}

/** The text a node is known to be: a string literal or a template without holes. */
function constantText(node: Node | undefined): string | undefined {
  if (node?.type === 'Literal' && typeof node.value === 'string') return node.value
  if (node?.type === 'TemplateLiteral' && node.expressions?.length === 0)
    return node.quasis?.[0]?.value.cooked ?? undefined
  return undefined
}

/** The key of a member access or a pattern's property, when it is known. */
export function propertyName(node: Node, part: 'property' | 'key' = 'property'): string | undefined {
  const key = bare(node[part])
  return node.computed || key?.type !== 'Identifier' ? constantText(key) : key.name
}

/** The object of `object.name`; `undefined` for everything else. */
function objectOf(node: Node, name: string): Node | undefined {
  return node.type === 'MemberExpression' && propertyName(node) === name ? bare(node.object) : undefined
}

/** `import.meta`. */
export function isMeta(node: Node | undefined): boolean {
  return node?.type === 'MetaProperty' && node.meta?.name === 'import'
}

/** `import.meta.env`, in any spelling of its members. */
export function isMetaEnv(node: Node): boolean {
  return isMeta(objectOf(node, 'env'))
}

/** `process.env`. Whether `process` is the real one is the caller's to know. */
export function isProcessEnv(node: Node): boolean {
  const object = objectOf(node, 'env')
  return object?.type === 'Identifier' && object.name === 'process'
}

/** Whether a computed key could turn out to be one of the names: its constant beginning fits one. */
export function couldName(key: Node | undefined, names: Iterable<string>): boolean {
  const start = constantStart(bare(key))
  for (const name of names) if (name.startsWith(start)) return true
  return false
}

function constantStart(key: Node | undefined): string {
  if (key?.type === 'TemplateLiteral') return key.quasis?.[0]?.value.cooked ?? ''
  if (key?.type === 'BinaryExpression' && key.operator === '+')
    return constantText(bare(key.left)) ?? constantStart(bare(key.left))
  return ''
}

/** Whether the node above writes to the one below instead of reading it. */
export function isWrite(above: Node | undefined, below: Node): boolean {
  switch (above?.type) {
    case 'AssignmentExpression':
    case 'ForInStatement':
    case 'ForOfStatement':
    case 'AssignmentPattern':
      return bare(above.left) === below
    case 'UpdateExpression':
    case 'RestElement':
    case 'ArrayPattern':
      return true
    case 'UnaryExpression':
      return above.operator === 'delete'
    default:
      return false
  }
}
