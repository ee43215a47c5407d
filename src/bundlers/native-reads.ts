import type { Plugin } from 'vite'
import { ABSENT_ID, CLIENT_ENV_ID, CLIENT_ID, ENV_ID, VIRTUAL } from '../core/expose/ids.ts'
import type { Consumer } from '../core/types.ts'
import { FOREIGN } from './graph.ts'
import { all, type Expression, otherReads } from './reads-patterns.ts'
import type { Session } from './session.ts'

/**
 * What Rolldown does by itself, in Vite's builds too, so that neither modules nor imports come to JavaScript: each
 * way over and back costs as much as Rolldown takes for a module.
 */

/** Begins what stands for a name until it is bound. */
const LOCAL = '__unplugin_secrets_env_'

/** An alias that the bundler follows itself; behind the user's own, which are followed first. */
export const CLIENT_ALIAS = {
  find: /^virtual:secrets\/client(?:-env)?$/,
  replacement: `\0${CLIENT_ID}`,
}

/** What still comes to `resolveId` where the bundler follows the alias: it asks all plugins for what that leads to. */
export const UNALIASED = { id: { include: VIRTUAL, exclude: new RegExp(`^\\0${CLIENT_ID}$`) } }

/** An import of a package's. */
const FROM_PACKAGES: object = [
  {
    kind: 'include',
    expr: all(
      { kind: 'id', pattern: new RegExp(`^${CLIENT_ENV_ID}$`), params: {} },
      { kind: 'importerId', pattern: FOREIGN, params: {} },
    ),
  },
] satisfies Expression[]

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

/** Stands before the alias, which knows no importers: packages were not written for these names. */
export function packagesPlugin(): Plugin {
  return {
    name: 'unplugin-secrets:packages',
    resolveId: { order: 'pre', filter: FROM_PACKAGES, handler: () => `\0${ABSENT_ID}` },
  }
}

/**
 * Has Rolldown replace plain reads itself, so that modules with nothing else never come to JavaScript. It replaces
 * `import.meta.env.NAME` by an identifier, and imports for each that is bound nowhere: an import as any other, so
 * whose it is can be told. What it does not know (`?.`, `["NAME"]`, patterns) is rewritten before as everywhere.
 * @param options of the build; the filters of its plugins are compiled after its hook for them
 */
export function replaceNatively(session: Session, options: object, consumer: Consumer): void {
  const names = [...session.plainReads()]
  const from = consumer === 'client' ? CLIENT_ENV_ID : ENV_ID
  const { transform = {} } = options as { transform?: { define?: object; inject?: object } }
  const define = Object.fromEntries(names.map((name) => [`import.meta.env.${name}`, LOCAL + name]))
  const inject = Object.fromEntries(names.map((name) => [LOCAL + name, [from, name]]))
  Object.assign(options, {
    transform: {
      ...transform,
      define: { ...transform.define, ...define },
      inject: { ...transform.inject, ...inject },
    },
  })
}
