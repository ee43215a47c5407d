import type { CommandTable } from '../command.ts'
import { deviceCommands } from './devices.ts'

/** Of the program `vault-env`. */
export const commands: CommandTable = {
  init: {
    description: 'Make a project on a server, and put its key into .env',
    load: () => import('./init.ts'),
  },
  push: { description: 'Encrypt and push the values of .env', load: () => import('./push.ts') },
  pull: { description: 'Show or write the values', load: () => import('./pull.ts') },
  versions: { description: 'List the versions', load: () => import('./versions.ts') },
  rollback: { description: 'Go back to a version', load: () => import('./rollback.ts') },
  ...deviceCommands,
}
