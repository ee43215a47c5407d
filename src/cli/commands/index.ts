import type { CommandTable } from '../command.ts'
import { deviceCommands } from '../vault-env/devices.ts'

/** Of the program `secrets`. */
export const commands: CommandTable = {
  init: {
    description: 'Set up a project: a configuration, and what to do next',
    load: () => import('./init.ts'),
  },
  set: { description: 'Store a value', load: () => import('./set.ts') },
  get: { description: 'Show one secret, masked', load: () => import('./get.ts') },
  list: { description: 'Show all names, never values', load: () => import('./list.ts') },
  unset: { description: 'Remove a stored value', load: () => import('./unset.ts') },
  refresh: {
    description: 'Ask every provider now, and make running dev servers look too',
    load: () => import('./refresh.ts'),
  },
  doctor: { description: 'Check the configuration and every provider', load: () => import('./doctor.ts') },
  run: { description: 'Start a program with the secrets in its environment', load: () => import('./run.ts') },
  types: { description: 'Write the TypeScript declarations of the names', load: () => import('./types.ts') },
  cache: { description: 'Look at the cache, clear it, change its key', load: () => import('./cache.ts') },
  scan: { description: 'Search files for values that must not be there', load: () => import('./scan.ts') },
  serve: { description: 'Run a vault-env server', load: () => import('./serve.ts') },
  ...deviceCommands,
}
