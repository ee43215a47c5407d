import { walk } from 'estree-walker'
import { isTypeOnly, type Node } from './ast.ts'

/** What holds the names that `let`, `const`, `class` and `function` declare. */
const BLOCK = /^(Program|BlockStatement|StaticBlock|TSModuleBlock|SwitchStatement|For\w*Statement)$/
const FUNCTION = /^(Program|StaticBlock|TSModuleBlock|Function\w+|ArrowFunctionExpression)$/

/**
 * The parts of a module in which `process` is not the real one but a variable, parameter, function, class or
 * import of the module's own. An import from `process` or `node:process` is the real one.
 */
export function foreignProcess(program: unknown): ReadonlySet<Node> {
  const scopes = new Set<Node>()
  const ancestors: Node[] = []
  const nearest = (pattern: RegExp): Node => ancestors.findLast(({ type }) => pattern.test(type))!
  walk(program as Parameters<typeof walk>[0], {
    enter(entered) {
      const node = entered as unknown as Node
      // `declare const process: …` says that it is the real one.
      if (isTypeOnly(node)) {
        this.skip()
        return
      }
      const named = node.id?.name === 'process'
      if (node.type === 'VariableDeclaration') {
        if (node.declarations?.some(({ id }) => binds(id)))
          scopes.add(nearest(node.kind === 'var' ? FUNCTION : BLOCK))
      } else if (/^(Function|Class|TSEnum|TSModule|TSImportEquals)Declaration$/.test(node.type)) {
        if (named) scopes.add(nearest(BLOCK))
      } else if (/^(Function|Class)Expression$/.test(node.type)) {
        if (named) scopes.add(node)
      } else if (node.type === 'ImportDeclaration') {
        const isReal = node.source?.value === 'process' || node.source?.value === 'node:process'
        if (!isReal && node.specifiers?.some(({ local }) => binds(local))) scopes.add(nearest(BLOCK))
      }
      if (node.params?.some(binds) || (node.type === 'CatchClause' && binds(node.param))) scopes.add(node)
      ancestors.push(node)
    },
    leave() {
      ancestors.pop()
    },
  })
  return scopes
}

/** Whether a pattern declares `process`. */
function binds(pattern: Node | null | undefined): boolean {
  switch (pattern?.type) {
    case 'Identifier':
      return pattern.name === 'process'
    case 'ObjectPattern':
      return pattern.properties!.some((property) =>
        binds(property.type === 'RestElement' ? property : (property.value as Node)),
      )
    case 'ArrayPattern':
      return pattern.elements!.some(binds)
    case 'AssignmentPattern':
      return binds(pattern.left)
    case 'RestElement':
      return binds(pattern.argument)
    case 'TSParameterProperty':
      return binds(pattern.parameter)
    default:
      return false
  }
}
