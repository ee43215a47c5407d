import { ENV_ID } from '../core/expose/ids.ts'
import { FOREIGN } from './graph.ts'
import { type Expression, otherReads } from './reads-patterns.ts'
import type { Session } from './session.ts'

/**
 * What Rolldown does by itself, in Vite's builds too, so that modules do not come to JavaScript: each way over and
 * back costs as much as Rolldown takes for a module.
 */

/** Begins what stands for a name until it is bound. */
const LOCAL = '__unplugin_secrets_env_'

/** Which modules come to `transform`. Packages were not written for these names, and `\0` modules are other plugins' own. */
export function modulesFilter(session: Session): object {
  return { id: { exclude: FOREIGN }, code: session.readsFilter }
}

/** The same where Rolldown replaces plain reads by itself. */
export function otherModulesFilter(session: Session): object {
  // Reads of `process.env` have words of their own.
  if (session.config.replaceProcessEnv) return modulesFilter(session)
  const expr = otherReads([...session.names], session.plainReads(), FOREIGN)
  return [{ kind: 'include', expr }] satisfies Expression[]
}

/**
 * Has Rolldown replace plain reads itself, so that modules with nothing else never come to JavaScript. It replaces
 * `import.meta.env.NAME` by an identifier, and imports for each that is bound nowhere: an import as any other, so
 * whose it is can be told. What it does not know (`?.`, `["NAME"]`, patterns) is rewritten before as everywhere.
 * @param options of the build; the filters of its plugins are compiled after its hook for them
 */
export function replaceNatively(session: Session, options: object): void {
  const names = [...session.plainReads()]
  const { transform = {} } = options as { transform?: { define?: object; inject?: object } }
  const define = Object.fromEntries(names.map((name) => [`import.meta.env.${name}`, LOCAL + name]))
  const inject = Object.fromEntries(names.map((name) => [LOCAL + name, [ENV_ID, name]]))
  Object.assign(options, {
    transform: {
      ...transform,
      define: { ...transform.define, ...define },
      inject: { ...transform.inject, ...inject },
    },
  })
}
