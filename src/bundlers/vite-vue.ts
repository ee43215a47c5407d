import { createHash } from 'node:crypto'
import type { Program } from 'estree'
import { walk } from 'estree-walker'
import type { DevEnvironment, EnvironmentModuleNode, Plugin } from 'vite'
import { CLIENT_ID } from '../core/expose/ids.ts'
import { bindings, toLiteral } from '../core/expose/modules.ts'
import type { Session } from './session.ts'

/**
 * Of the page, across the versions of a module: the values of now, when each was last another one, and what
 * components were made of. `keeps` says whether a component that is run anew may stay as it is, only drawn again.
 */
const STORE = `(globalThis[Symbol.for('unplugin-secrets:live')] ??= {
  round: 0, values: {}, rounds: new Map(), bound: [], components: new Map(), indirect: [],
  bind(values, indirect, apply) {
    const before = this.values
    this.round++
    for (const name in values)
      if (JSON.stringify(before[name]) !== JSON.stringify(values[name])) this.rounds.set(name, this.round)
    this.values = values
    this.indirect = indirect
    for (const each of this.bound) each(values)
    this.bound.push(apply)
  },
  keeps(id, code, held, otherwise) {
    const before = this.components.get(id)
    this.components.set(id, { code, round: this.round })
    if (before?.code !== code || before.round === this.round) return otherwise
    return !this.indirect.includes(id) && !held.some((name) => this.rounds.get(name) > before.round)
  },
})`

/**
 * Vue makes a component anew, and its state with it, when what its module imports has changed; drawn again would be
 * enough where a secret is only read by the template. So in dev the client module's bindings stay live across its
 * versions, and components that do not hold on to a value tell Vue that only their template has changed.
 */
export function vuePlugin(session: Session): Plugin {
  return {
    name: 'unplugin-secrets:vue',
    transform: {
      filter: { id: [/^\0virtual:secrets\/client$/, /\.vue$/] },
      handler(code, id) {
        const environment = this.environment as DevEnvironment
        if (environment.config.consumer !== 'client') return undefined
        if (!id.endsWith('.vue')) return { code: liveModule(code, session, environment), map: null }
        const held = heldNames(this.parse(code) as unknown as Program)
        if (!held) return undefined
        const hash = createHash('sha256').update(code).digest('hex').slice(0, 16)
        const [, own = 'false'] = /^export const _rerender_only = (.*)$/m.exec(code) ?? []
        const answer = `${STORE}.keeps(${toLiteral(id)}, '${hash}', ${toLiteral([...held])}, ${own})`
        const rest = code.replace(/^export const _rerender_only = .*$/m, '')
        return { code: `${rest}\nexport const _rerender_only = ${answer}\n`, map: null }
      },
    },
  }
}

function liveModule(code: string, session: Session, environment: DevEnvironment): string {
  const all = bindings([...session.exposure.client.values.keys()])
  const values = all.map(({ name, local }) => `${toLiteral(name)}: ${local}`).join(', ')
  const apply = all.map(({ name, local }) => `${local} = $unplugin_secrets[${toLiteral(name)}];`).join(' ')
  const indirect = toLiteral([...reachedIndirectly(environment)])
  const live = code.replace(/^(export )?const /gm, (_, exported = '') => `${exported}let `)
  return `${live};${STORE}.bind({ ${values} }, ${indirect}, ($unplugin_secrets) => { ${apply} })\n`
}

/** Components that have a value by way of another module, which may have made something of it. */
function reachedIndirectly({ moduleGraph }: DevEnvironment): Set<string> {
  const found = new Set<string>()
  const seen = new Set<EnvironmentModuleNode>()
  const ascend = (module: EnvironmentModuleNode): void => {
    for (const importer of module.importers) {
      if (seen.has(importer)) continue
      seen.add(importer)
      if (importer.id) found.add(importer.id)
      if (!importer.isSelfAccepting) ascend(importer)
    }
  }
  for (const importer of moduleGraph.getModuleById(`\0${CLIENT_ID}`)?.importers ?? [])
    if (!importer.isSelfAccepting) ascend(importer)
  return found
}

/**
 * The names whose values the component's own code may hold on to, which is all that it reads but for what
 * it hands to its template; a setup function runs once.
 * @returns `undefined` where the component imports no secret by name
 */
function heldNames(ast: Program): Set<string> | undefined {
  const imported = new Map<string, string>()
  for (const node of ast.body) {
    if (node.type !== 'ImportDeclaration' || !String(node.source.value).includes(CLIENT_ID)) continue
    for (const specifier of node.specifiers) {
      if (specifier.type !== 'ImportSpecifier') return undefined
      const { imported: from, local } = specifier
      imported.set(local.name, from.type === 'Identifier' ? from.name : String(from.value))
    }
  }
  if (imported.size === 0) return undefined
  const held = new Set<string>()
  walk(ast, {
    enter(node, parent, key) {
      const isForTemplate =
        node.type === 'VariableDeclarator' && node.id.type === 'Identifier' && node.id.name === '__returned__'
      if (node.type === 'ImportDeclaration' || isForTemplate) this.skip()
      if (node.type !== 'Identifier') return
      const isKey = key === 'key' || (key === 'property' && parent?.type === 'MemberExpression')
      const name = imported.get(node.name)
      if (name !== undefined && !(isKey && !(parent as { computed?: boolean }).computed)) held.add(name)
    },
  })
  return held
}
