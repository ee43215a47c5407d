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
  dashboard: { description: 'Show the project in a browser', load: () => import('./dashboard.ts') },
  run: { description: 'Start a program with the secrets in its environment', load: () => import('./run.ts') },
  versions: { description: 'Show the versions of a secret', load: () => import('./versions.ts') },
  rollback: { description: 'Make an older version the current one', load: () => import('./rollback.ts') },
  diff: { description: 'Compare two environments or .env files', load: () => import('./diff.ts') },
  pull: { description: 'Write values to a .env file', load: () => import('./pull.ts') },
  push: { description: 'Store the values of a .env file', load: () => import('./push.ts') },
  link: {
    description: 'Have an environment’s values come from one document',
    load: () => import('./link.ts'),
  },
  unlink: { description: 'Take a link back, and clear its values here', load: () => import('./unlink.ts') },
  inject: { description: 'Fill {{vault:NAME}} in a file', load: () => import('./inject.ts') },
  template: { description: 'Create a secret with placeholders', load: () => import('./template.ts') },
  migrate: { description: 'Move a document to another place', load: () => import('./migrate.ts') },
  'move-to-local': {
    description: 'Take a secret into the local vault',
    load: () => import('./move-to-local.ts'),
  },
  policy: { description: 'Print the least rights that reading takes', load: () => import('./policy.ts') },
  use: { description: 'Choose the profile of this working copy', load: () => import('./use.ts') },
  config: { description: 'Show every setting and its origin', load: () => import('./config.ts') },
  completion: {
    description: 'Complete commands in bash, zsh and fish',
    load: () => import('./completion.ts'),
  },
  types: { description: 'Write the TypeScript declarations of the names', load: () => import('./types.ts') },
  cache: { description: 'Look at the cache, clear it, change its key', load: () => import('./cache.ts') },
  scan: { description: 'Search files for values that must not be there', load: () => import('./scan.ts') },
  serve: { description: 'Run a vault-env server', load: () => import('./serve.ts') },
  ...deviceCommands,
}
