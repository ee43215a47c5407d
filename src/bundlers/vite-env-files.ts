import { dirname, resolve } from 'node:path'
import type { ViteDevServer } from 'vite'
import { readIfExists } from '../core/files.ts'
import type { Session } from './session.ts'

/**
 * Vite restarts its server whenever a `.env` file of its `envDir` is edited. Where `dotenv` reads the same
 * files, that is a rotation like any other; only what Vite itself, or its configuration, may have read there
 * is a reason to restart.
 */
export function keepRunning(server: ViteDevServer, session: Session): void {
  const { config } = server
  const folder = config.envDir as string | false
  if (folder === false || providersIn(folder, session).length === 0) return
  const files = ['.env', '.env.local', `.env.${config.mode}`, `.env.${config.mode}.local`].map((name) =>
    resolve(folder, name),
  )
  // Asked for at each edit: this is how Vite is told not to care. A restart begins with its own again.
  Object.assign(config, { envDir: false })
  let known = othersIn(files, folder, session)
  for (const event of ['add', 'change', 'unlink'] as const) {
    server.watcher.on(event, (file) => {
      if (!files.includes(resolve(file))) return
      const before = known
      known = othersIn(files, folder, session)
      void Promise.all([before, known]).then(async ([old, now]) => {
        if (old !== now) await server.restart()
      })
    })
  }
}

/** The names of the `dotenv` providers that read the folder's files. */
function providersIn(folder: string, { config }: Session): string[] {
  return [...config.providers].flatMap(([name, { type, location }]) =>
    type === 'dotenv' && resolve(config.root, dirname(location)) === resolve(folder) ? name : [],
  )
}

/** What stands in the files besides secrets, to be compared; it stays in memory. */
async function othersIn(files: readonly string[], folder: string, session: Session): Promise<string> {
  const { parse } = (await import('dotenv')).default
  const providers = providersIn(folder, session)
  const { imports, secrets } = session.config
  const references = [...imports, ...[...secrets.values()].flatMap(({ reference }) => reference ?? [])]
  const ours = new Set(
    references.filter(({ provider }) => providers.includes(provider)).map(({ path }) => path),
  )
  if (ours.has('*')) return ''
  const all: [string, string][] = []
  for (const file of files) {
    const content = await readIfExists(file).catch(() => undefined)
    for (const [name, value] of Object.entries(parse(content ?? '')))
      if (!ours.has(name)) all.push([name, value])
  }
  return JSON.stringify(all)
}
