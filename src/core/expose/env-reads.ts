import { walk } from 'estree-walker'
import MagicString, { type SourceMap } from 'magic-string'
import { couldName, isMetaEnv, isProcessEnv, isWrite, type Node, propertyName } from './ast.ts'

/**
 * The one meaning of `import.meta.env.NAME`: an import of the virtual module. Member, bracket and
 * optional access and destructuring are rewritten; assignment, and whole-object or computed access where
 * a managed name could be meant, are reported, because they would silently give `undefined`.
 */
export interface EnvReadsOptions {
  /** The managed names. */
  readonly names: ReadonlySet<string>
  /** The virtual module that holds those this graph may have. */
  readonly from: string
  /** Whether this graph may have the name. */
  allows(name: string): boolean
  /** Whether `process.env.NAME` means the same. */
  readonly processEnv: boolean
}

export interface EnvProblem {
  readonly kind: 'denied' | 'assigned' | 'computed' | 'whole'
  /** The managed name that is, or may be, meant. */
  readonly name: string | undefined
  /** Offset in the code. */
  readonly start: number
}

export interface EnvReadsResult {
  /** The rewritten module; absent when nothing of ours is read. */
  readonly output: { readonly code: string; readonly map: SourceMap } | undefined
  readonly problems: readonly EnvProblem[]
}

/** @param program the module's ESTree program, with `start` and `end` in UTF-16 offsets */
export function rewriteEnvReads(code: string, program: unknown, options: EnvReadsOptions): EnvReadsResult {
  const { names } = options
  const magic = new MagicString(code)
  const problems: EnvProblem[] = []
  const locals = new Map<string, string>()
  const whole: number[] = []
  const mentions: Node[] = []
  const handled = new Set<Node>()
  const prefix = freePrefix(code)
  const processEnv = options.processEnv && !bindsProcess(program)

  /** The local that stands for an allowed name; a denied one is reported. */
  const take = (name: string, start: number): string | undefined => {
    if (!options.allows(name)) {
      problems.push({ kind: 'denied', name, start })
      return undefined
    }
    const local = locals.get(name) ?? `${prefix}${locals.size}`
    locals.set(name, local)
    return local
  }

  const readMember = (member: Node, above: Node | undefined, isMeta: boolean): void => {
    const name = propertyName(member)
    if (name === undefined) {
      if (isMeta && couldName(member.property, names))
        problems.push({ kind: 'computed', name: undefined, start: member.start })
      return
    }
    if (!names.has(name)) return
    if (member.property) handled.add(member.property)
    if (isWrite(above, member) || (above?.type === 'Property' && isPatternValue(above, member, ancestors))) {
      problems.push({ kind: 'assigned', name, start: member.start })
      return
    }
    const local = take(name, member.start)
    if (local !== undefined) magic.overwrite(member.start, member.end, local)
  }

  const readPattern = (declarator: Node, isMeta: boolean): void => {
    const kept: string[] = []
    const taken: string[] = []
    for (const property of declarator.id?.properties ?? []) {
      const name = property.type === 'RestElement' ? undefined : propertyName(property, 'key')
      if (name === undefined || !names.has(name)) {
        if (name === undefined && isMeta) whole.push(property.start)
        kept.push(code.slice(property.start, property.end))
        continue
      }
      if (property.key) handled.add(property.key)
      const target = property.value as Node
      // A shorthand's value is a second node for the same text.
      handled.add(target)
      const local = take(name, property.start)
      if (local === undefined) continue
      const text = code.slice(target.start, target.end)
      taken.push(target.type === 'Identifier' ? `${text} = ${local}` : `[${text}] = [${local}]`)
    }
    if (taken.length === 0) return
    const init = code.slice(declarator.init!.start, declarator.init!.end)
    const rest = kept.length > 0 ? [`{ ${kept.join(', ')} } = ${init}`] : []
    magic.overwrite(declarator.start, declarator.end, [...taken, ...rest].join(', '))
  }

  const ancestors: Node[] = []
  walk(program as Parameters<typeof walk>[0], {
    enter(entered) {
      const node = entered as unknown as Node
      // `a?.b` is a chain around a member; for what is read it is the member.
      const [parent, grandparent] = ancestors
        .filter(({ type }) => type !== 'ChainExpression')
        .slice(-2)
        .reverse()
      if (namesSecret(node, names)) mentions.push(node)
      const isMeta = isMetaEnv(node)
      if (isMeta || (processEnv && isProcessEnv(node))) {
        if (parent?.type === 'MemberExpression' && parent.object === unchained(parent.object, node)) {
          readMember(parent, grandparent, isMeta)
        } else if (parent?.type === 'VariableDeclarator' && parent.id?.type === 'ObjectPattern') {
          readPattern(parent, isMeta)
        } else if (isMeta) whole.push(node.start)
      }
      ancestors.push(node)
    },
    leave() {
      ancestors.pop()
    },
  })

  // Without a managed name in the module the object is the bundler's own, which holds no secret.
  const meant = mentions.find((node) => !handled.has(node))
  if (meant) {
    const name = meant.type === 'Identifier' ? meant.name : String(meant.value)
    for (const start of whole) problems.push({ kind: 'whole', name, start })
  }
  problems.sort((a, b) => a.start - b.start)
  if (locals.size === 0) return { output: undefined, problems }
  const imports = [...locals].map(
    ([name, local]) => `${/^[\w$]+$/.test(name) ? name : JSON.stringify(name)} as ${local}`,
  )
  // On the first line, so that no line moves for who has no source map.
  magic.prepend(`import { ${imports.join(', ')} } from ${JSON.stringify(options.from)};`)
  return { output: { code: magic.toString(), map: magic.generateMap({ hires: 'boundary' }) }, problems }
}

/** The object of a member is the node itself, or the chain around it. */
function unchained(object: Node | undefined, node: Node): Node | undefined {
  return object === node || (object as { expression?: Node } | undefined)?.expression === node
    ? object
    : undefined
}

/** `[import.meta.env.A] = …` and `({ x: import.meta.env.A } = …)` write, though the parent is only a property. */
function isPatternValue(property: Node, member: Node, ancestors: readonly Node[]): boolean {
  return property.value === member && ancestors.at(ancestors.indexOf(property) - 1)?.type === 'ObjectPattern'
}

function namesSecret(node: Node, names: ReadonlySet<string>): boolean {
  if (node.type === 'Identifier') return names.has(node.name!)
  return node.type === 'Literal' && typeof node.value === 'string' && names.has(node.value)
}

/** A beginning that no identifier of the module has, so that nothing of the module can capture it. */
function freePrefix(code: string): string {
  for (let tries = 0; ; tries++) {
    const prefix = `__secret${tries === 0 ? '' : tries}_`
    if (!code.includes(prefix)) return prefix
  }
}

/** Whether the module has a `process` of its own. One imported from Node is the real one. */
function bindsProcess(program: unknown): boolean {
  let found = false
  walk(program as Parameters<typeof walk>[0], {
    enter(node, parent, key) {
      const current = node as unknown as Node
      if (current.type !== 'Identifier' || current.name !== 'process') return
      const above = (parent as unknown as Node | null)?.type ?? ''
      const declares =
        (above === 'VariableDeclarator' && key === 'id') ||
        (/^(Function|ArrowFunction|Class)/.test(above) && (key === 'params' || key === 'id')) ||
        above === 'CatchClause' ||
        (above === 'Property' && key === 'value') ||
        above === 'RestElement'
      if (declares) found = true
    },
  })
  return found
}
