#!/usr/bin/env node
/**
 * The program `vault-env`: the protocol's own commands, with its own flags.
 *
 * @module
 */
import { runProgram } from './program.ts'
import { deviceCommands } from './vault-env/devices.ts'

void runProgram(
  {
    commands: {
      init: {
        description: 'Make a project on a server, and put its key into .env',
        load: () => import('./vault-env/init.ts'),
      },
      push: { description: 'Encrypt and push the values of .env', load: () => import('./vault-env/push.ts') },
      pull: { description: 'Show or write the values', load: () => import('./vault-env/pull.ts') },
      versions: { description: 'List the versions', load: () => import('./vault-env/versions.ts') },
      rollback: { description: 'Go back to a version', load: () => import('./vault-env/rollback.ts') },
      ...deviceCommands,
    },
    description: 'Encrypted .env files on a server that cannot read them',
    example: 'vault-env init, then vault-env push --env production',
  },
  process.argv.slice(2),
)
