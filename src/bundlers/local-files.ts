import { dirname, resolve } from 'node:path'
import type { ResolvedConfig } from '../core/config/resolve.ts'

/**
 * The files of this machine that values come from, absolute: what a watching build looks at besides modules.
 * Those that may yet come are among them.
 */
export function localFiles(config: ResolvedConfig): string[] {
  const { environment, providers, root } = config
  const names = ['.env', '.env.local', `.env.${environment}`, `.env.${environment}.local`]
  return [...providers.values()].flatMap(({ type, location }) => {
    if (type === 'local') return resolve(root, location)
    return type === 'dotenv' ? names.map((name) => resolve(root, dirname(location), name)) : []
  })
}
