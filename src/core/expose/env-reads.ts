import { walk } from 'estree-walker'
import {
  bare,
  couldName,
  isMeta,
  isMetaEnv,
  isProcessEnv,
  isTypeOnly,
  isWrapper,
  isWrite,
  type Node,
  propertyName,
} from './ast.ts'
import { CLIENT_ID } from './ids.ts'
import { type EnvProblem, type EnvReadsOptions, type EnvReadsResult, Rewrite } from './rewrite.ts'
import { foreignProcess } from './scope.ts'

/**
 * The one meaning of `import.meta.env.NAME`: an import of the virtual module. Member, bracket and
 * optional access and destructuring are rewritten; assignment, and whole-object or computed access where
 * a managed name could be meant, are reported, because they would silently give `undefined`.
 *
 * @param program the module's ESTree program, with `start` and `end` in UTF-16 offsets
 */
export function rewriteEnvReads(code: string, program: unknown, options: EnvReadsOptions): EnvReadsResult {
  const { names } = options
  const rewrite = new Rewrite(code, options)
  const { magic, problems } = rewrite
  const whole: number[] = []
  const mentions: Node[] = []
  const handled = new Set<Node>()
  const foreign = options.processEnv ? foreignProcess(program) : undefined

  /** The local that stands for an allowed name; a denied one is reported. */
  const take = (name: string, key: Node | undefined, start: number): string | undefined => {
    for (const part of [bare(key), ...(bare(key)?.quasis ?? [])]) if (part) handled.add(part)
    return rewrite.take(name, start)
  }

  const readMember = (member: Node, [above, beyond]: readonly Node[], isImportMeta: boolean): void => {
    const name = propertyName(member)
    if (name === undefined) {
      if (isImportMeta && couldName(member.property, names))
        problems.push({ kind: 'computed', name: undefined, start: member.start })
      return
    }
    if (!names.has(name)) return
    // `({ x: import.meta.env.A } = …)` writes too, though the parent is only a property.
    const isPatternValue = above?.type === 'Property' && beyond?.type === 'ObjectPattern'
    if (isWrite(above, member) || (isPatternValue && bare(above.value as Node) === member)) {
      if (member.property) handled.add(member.property)
      problems.push({ kind: 'assigned', name, start: member.start })
      return
    }
    const local = take(name, member.property, member.start)
    if (local !== undefined) magic.overwrite(member.start, member.end, local)
  }

  /** The pattern stays as it is, with its defaults, order and rest; what it takes apart is made to have the names. */
  const readPattern = (pattern: Node, env: Node, isImportMeta: boolean): void => {
    const taken = new Map<string, string>()
    let needsRest = false
    for (const property of pattern.properties ?? []) {
      const isRest = property.type === 'RestElement'
      const name = isRest ? undefined : propertyName(property, 'key')
      if (name !== undefined && names.has(name)) {
        const local = take(name, property.key, property.start)
        if (local !== undefined) taken.set(name, local)
        continue
      }
      needsRest = true
      if (isRest && isImportMeta) whole.push(property.start)
      else if (name === undefined && isImportMeta && couldName(property.key, names))
        problems.push({ kind: 'computed', name: undefined, start: property.start })
    }
    if (taken.size === 0) return
    rewrite.patterns.push({ start: env.start, names: [...taken.keys()], more: needsRest })
    const items = [...taken].map(([name, local]) => `${JSON.stringify(name)}: ${local}`)
    if (needsRest) items.unshift(`...${code.slice(env.start, env.end)}`)
    magic.overwrite(env.start, env.end, `{ ${items.join(', ')} }`)
  }

  const ancestors: Node[] = []
  walk(program as Parameters<typeof walk>[0], {
    enter(entered) {
      const node = entered as unknown as Node
      if (isTypeOnly(node)) {
        this.skip()
        return
      }
      const above = ancestors
        .filter((ancestor) => !isWrapper(ancestor))
        .slice(-3)
        .reverse()
      const [parent] = above
      if (namesSecret(node, above, names)) mentions.push(node)
      if (node.source?.value === CLIENT_ID) checkImported(node, options, problems)
      const isImportMeta = isMetaEnv(node)
      if (isImportMeta || (foreign && isProcessEnv(node) && !ancestors.some((scope) => foreign.has(scope)))) {
        const pattern = patternFor(node, above)
        if (parent?.type === 'MemberExpression' && bare(parent.object) === node) {
          readMember(parent, above.slice(1), isImportMeta)
        } else if (pattern) readPattern(pattern, node, isImportMeta)
        else if (isImportMeta) whole.push(node.start)
      } else if (isMeta(node) && parent?.type === 'VariableDeclarator' && takesEnv(parent.id)) {
        whole.push(node.start)
      }
      ancestors.push(node)
    },
    leave() {
      ancestors.pop()
    },
  })

  // Without a managed name in the module the object is the bundler's own, which holds no secret.
  const meant = mentions.find((node) => !handled.has(node))
  if (meant) for (const start of whole) problems.push({ kind: 'whole', name: textOf(meant), start })
  return rewrite.finish()
}

/** The object pattern that takes a node apart: a declaration's, a default's, or an assignment's. */
function patternFor(node: Node, [parent, grandparent]: readonly Node[]): Node | undefined {
  if (parent?.type === 'VariableDeclarator') return objectPattern(parent.id)
  const isDefault = parent?.type === 'AssignmentPattern'
  // The value of an assignment is its right side, which must stay what it was where somebody uses it.
  const isStatement = parent?.type === 'AssignmentExpression' && grandparent?.type === 'ExpressionStatement'
  return (isDefault || isStatement) && bare(parent.right) === node ? objectPattern(parent.left) : undefined
}

function objectPattern(node: Node | undefined): Node | undefined {
  return node?.type === 'ObjectPattern' ? node : undefined
}

/** Whether a pattern for `import.meta` takes `env` out of it. */
function takesEnv(pattern: Node | undefined): boolean {
  return (objectPattern(pattern)?.properties ?? []).some(
    (property) => property.type === 'RestElement' || (propertyName(property, 'key') ?? 'env') === 'env',
  )
}

/** Where a managed name could be a key: `x.NAME`, `{ NAME } = x`, or in quotes. A variable called so is none. */
function namesSecret(
  node: Node,
  [parent, grandparent]: readonly Node[],
  names: ReadonlySet<string>,
): boolean {
  const text = textOf(node)
  if (text === undefined || !names.has(text)) return false
  if (node.type !== 'Identifier') return true
  if (parent?.type === 'MemberExpression') return parent.property === node && !parent.computed
  return (
    parent?.type === 'Property' &&
    parent.key === node &&
    !parent.computed &&
    grandparent?.type === 'ObjectPattern'
  )
}

function textOf(node: Node): string | undefined {
  const { value } = node
  if (node.type === 'Identifier') return node.name
  if (node.type === 'TemplateElement') return (value as { cooked: string | null }).cooked ?? undefined
  return node.type === 'Literal' && typeof value === 'string' ? value : undefined
}

/** A server name asked for by the client module's name: the bundler would only say that it is not exported. */
function checkImported(declaration: Node, options: EnvReadsOptions, problems: EnvProblem[]): void {
  for (const specifier of declaration.specifiers ?? []) {
    if (isTypeOnly(specifier)) continue
    const part = declaration.type === 'ImportDeclaration' ? specifier.imported : specifier.local
    const name = part && textOf(part)
    if (name === undefined || !options.names.has(name) || options.exported(name)) continue
    problems.push({ kind: options.allows(name) ? 'elsewhere' : 'denied', name, start: specifier.start })
  }
}
