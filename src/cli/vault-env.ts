#!/usr/bin/env node
/**
 * The program `vault-env`: the protocol's own commands, with its own flags.
 *
 * @module
 */
import { runProgram } from './program.ts'
import { commands } from './vault-env/index.ts'

void runProgram(
  {
    commands,
    description: 'Encrypted .env files on a server that cannot read them',
    example: 'vault-env init, then vault-env push --env production',
  },
  process.argv.slice(2),
)
