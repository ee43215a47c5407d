#!/usr/bin/env node
/**
 * The programs `secrets` and `unplugin-secrets`.
 *
 * @module
 */
import { commands } from './commands/index.ts'
import { runProgram } from './program.ts'

void runProgram(
  {
    commands,
    description: 'Secrets for builds and programs, and never into the browser by mistake',
    example: 'secrets set STRIPE_KEY, then secrets run -- npm start',
  },
  process.argv.slice(2),
)
