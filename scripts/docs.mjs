// Writes docs/commands.md from the commands' own definitions. `--check`: writes nothing, fails when it is stale.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadSource, root } from '../bench/load.mjs'

const file = join(root, 'docs/commands.md')

/** What a definition does not say, by command. */
const NOTES = {
  unset: `Without a terminal it needs \`--yes\`.`,
  versions: `Vault KV v2 and AWS keep versions; a local value has none. The error for a place that keeps none names those that do.`,
  rollback: `It is about the whole document, so every name that is read from it goes back. Without a terminal it needs \`--yes\`.`,
  diff: `A word with a dot or a slash in it, or that is the name of a file, is a .env file; any other one is an environment. The
shell's own variables take no part. Names that only the second side has are added (\`+\`), only the first removed (\`-\`),
others changed (\`~\`).`,
  patch: `The document must be there; what is not there yet is made by \`set\`. It is changed only as it was when the command
looked at it: what somebody else has written since then is a \`CONFLICT\` and stays. \`--remove\` asks first, and without a
terminal needs \`--yes\`.`,
  device: `The project is that of \`VAULT_KEY\` (of the process, else of \`.env\`), the server that of \`--url\`, else the one of the
configured \`vaultEnv\`. \`register-device\`, \`approve-device\`, \`list-devices\` and \`revoke-device\` are the same under the names
that vault-env documents; they take the server from \`--url\` or \`VAULT_URL\`.`,
  init: `With \`--vault-env\` the project is made before anything is written, and its key stands in \`.env\`, which goes into
\`.gitignore\`. Where there is a \`VAULT_KEY\` already no project is made: that is how another machine of the team begins.`,
  pull: `The values come from the providers, not from variables of the shell. Every value is written in a way that dotenv reads
back as the same text; one that no .env file can hold is an error that names it. The file has mode 0600, and there is a
warning when git does not ignore it. Without a terminal, replacing a file that differs needs \`--yes\`. \`secrets unlink\` knows
the files that were written.

\`--all\` writes no file: it [links](links.md#many-at-once) an environment for each secret of the providers that can list
documents, where there is none of that name yet. An environment that is linked, has a file of its own or values of its own in
the local vault is there already; what holds no JSON object becomes none.`,
  push: `A name that is read from a field changes that field only; a name that the configuration does not know goes to the
document that the environment is [linked](links.md) to, else to the local vault. \`VAULT_KEY\`, \`VAULT_DEVICE_SECRET\` and the
\`SECRETS_…\` keys are left out. Nothing is removed that the file does not have. A value that somebody else has written since it was compared is a
\`CONFLICT\` and stays theirs. Without a terminal it needs \`--yes\`.`,
  link: `What a link is, and what is pushed: [links](links.md). Where both sides have a value of a name and the two differ, a
person is asked whose stays; without a terminal \`--prefer\` says so. A push that fails changes nothing, and nothing is
linked then. Without a terminal it needs \`--yes\`.`,
  unlink: `It clears the cache of the environment and what \`secrets pull\` wrote for it, and asks no provider:
[taking it back](links.md#taking-it-back). Without a terminal it needs \`--yes\`.`,
  inject: `Only \`{{vault:…}}\` is filled; braces of other template languages stay. Nothing is written when a name is missing.`,
  template: `What is there is never changed: an existing document gets the keys that it lacks. A value that begins with
\`REPLACE_WITH\` fails every build and every \`get\`.`,
  migrate: `A failure at any step leaves the source as it was: the target is written only where nothing is, read back and compared,
and taken away again when it is not the same. Versions and metadata stay behind. Without a terminal it needs \`--yes\`.`,
  'move-to-local': `The value is the last one known, from the cache too. The reference is changed in the configuration where it is a
plain text of its own; otherwise a warning says what to write.`,
  policy: `HCL for Vault, JSON for IAM: [vault](providers/vault.md), [aws](providers/aws.md).`,
  dashboard: `What it shows and does, and who may open it: [the dashboard](dashboard.md). Vite's dev server has it by itself.`,
  use: `\`--profile\` and \`SECRETS_PROFILE\` come before it, the configuration's own \`profile\` after it.`,
  config: `Providers are shown by type and location. A setting of a profile has the profile for its origin.`,
  completion: `Everything is in the script: a key press starts no process.`,
  run: `What the program prints is masked: a value becomes \`[secret NAME]\`, also as a JSON string has it, in base64, and
wherever the output is cut into pieces. Values that browsers may see anyway, those of the \`client\` list, are not masked,
and neither are values shorter than 4 characters; of JSON secrets the document and the texts in it are. The program gets a
pipe in place of the terminal then; \`--no-mask\` gives it the terminal.

A variable that is set keeps its value with \`processEnv: true\`, which is the default. Signals are handed on, and the exit
code is the program's, or 128 and the number of the signal that ended it.`,
  set: `A reference (\`vault:myapp/db#url\`) is written to as it stands. A value that is given as an argument stands in the history of your shell; leave it out to be asked without echo, or
pipe it in. One line end at its end is dropped. Templates, and names from places that cannot be written to, are errors that
name the providers that can.`,
  get: `With \`--reveal\` the output is the value and nothing else, without a line end unless it goes to a terminal.`,
  scan: `Forms that are found, and values that are too short to be searched for: [Vite](bundlers/vite.md#the-scan). A file
that cannot be read is reported and makes the exit code 1, or 10 where something is found: what was not looked at is not
known to be clean.`,
  cache: `What the cache is, and what \`rekey\` does to it: [the cache](cache.md).`,
  types: `What is written, and where: [types](configuration.md#types).`,
  doctor: `No value is shown. Every line that is not in order says what mends it; \`!\` is a warning and changes no exit code.
Causes and their fixes: [troubleshooting](troubleshooting.md).`,
}

/** Held to by test/cli-matrix.test.ts. */
const WHERE = [
  ['get, list, diff, run, pull', 1, 1, 1, 1, 1, 1],
  ['set, unset, migrate, a whole document', 1, 1, 1, 1, 1, 0],
  ['patch, and set, unset, push of one field', 1, 0, 1, 1, 1, 0],
  ['versions, rollback', 1, 0, 1, 0, 1, 0],
  ['policy', 1, 1, 1, 0, 0, 0],
  ['link, unlink', 1, 1, 1, 0, 1, 0],
  ['pull --all', 1, 1, 1, 0, 0, 0],
]

/** @param {readonly string[]} header @param {readonly (readonly string[])[]} rows */
function table(header, rows) {
  const cells = [header, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column].length)))
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n')
}

/** A flag as it is typed; one that is on by default is typed to turn it off. */
function flag(name, definition) {
  const { type, alias, valueHint, options, default: preset, negativeDescription } = definition
  const short = alias === undefined ? '' : `, \`-${alias}\``
  if (type !== 'boolean')
    return [`\`--${name} <${options?.join('|') ?? valueHint ?? 'text'}>\`${short}`, definition.description]
  if (preset !== true) return [`\`--${name}\`${short}`, definition.description]
  return [`\`--no-${name}\``, `${negativeDescription}. Default: ${lowerFirst(definition.description)}`]
}

const lowerFirst = (text) => text.charAt(0).toLowerCase() + text.slice(1)

/** @param {string} name @param {{ definition: any, wrapsCommand: boolean, examples: readonly (readonly string[])[] }} command */
function section(name, { definition, wrapsCommand, examples }, common) {
  const args = Object.entries(definition.args).filter(([key]) => !(key in common))
  const positionals = args.filter(([, { type }]) => type === 'positional')
  const flags = args.filter(([, { type }]) => type !== 'positional')
  const words = positionals.map(([key, { required }]) => {
    return required === false ? `[${key.toUpperCase()}]` : key.toUpperCase()
  })
  const usage = ['secrets', name, ...words, '[flags]', ...(wrapsCommand ? ['--', 'PROGRAM …'] : [])].join(' ')
  const width = Math.max(...examples.map(([line]) => line.length))
  const rows = [
    ...positionals.map(([key, { description }]) => [`\`${key.toUpperCase()}\``, description]),
    ...flags.map(([key, definition]) => flag(key, definition)),
  ]
  return [
    `## ${name}`,
    `${definition.meta.description}.`,
    ['```sh', usage, '```'].join('\n'),
    ...(rows.length > 0 ? [table(['argument', 'meaning'], rows)] : []),
    ...(NOTES[name] ? [NOTES[name]] : []),
    ['```sh', ...examples.map(([line, meaning]) => `${line.padEnd(width)}  # ${meaning}`), '```'].join('\n'),
  ].join('\n\n')
}

/** The numbers with the comments that stand above them. */
function exitCodes() {
  const source = readFileSync(join(root, 'src/cli/errors.ts'), 'utf8')
  const block = source.slice(source.indexOf('export const EXIT'), source.indexOf('} as const'))
  return [...block.matchAll(/(?:\/\*\* (.+?) \*\/\s+)?(\w+): (\d+),/g)].map(([, meaning, , code]) => {
    return [code, meaning ?? 'Done; nothing to mend.']
  })
}

async function page() {
  const { commands } = await loadSource('src/cli/commands/index.ts')
  const { COMMON } = await loadSource('src/cli/command.ts')
  const all = await Promise.all(
    Object.entries(commands).map(async ([name, { description, load }]) => {
      return { name, description, command: (await load()).default }
    }),
  )
  const overview = all.map(({ name, description }) => [`[\`${name}\`](#${name})`, description])
  const parts = [
    '# Commands',
    '<!-- Made by scripts/docs.mjs from src/cli/commands; change the text there. -->',
    `The package brings the program \`secrets\`; \`npx unplugin-secrets\` is the same. Values are shown masked, and only where
a flag asks for them in clear. Results go to the standard output, everything else to the standard error.`,
    table(['command', 'what it does'], overview),
    `## Flags of every command`,
    table(
      ['flag', 'meaning'],
      [
        ...Object.entries(COMMON).map(([name, definition]) => flag(name, definition)),
        ['`--help`, `-h`', 'Show the arguments and examples of a command'],
        ['`--version`, `-v`', 'Without a command: show the version'],
      ],
    ),
    `Without \`--env\` the environment is the one that the [configuration](configuration.md#environments) names. With \`--json\`
the output is one document, also for an error: \`{ "error": { "code", "message", "hint", "problems" } }\`, whose codes are
those of [errors](errors.md), \`USAGE\`, \`NOT_FOUND\`, \`COMMAND_NOT_FOUND\` or \`CANCELLED\`.`,
    '## Exit codes',
    table(['code', 'meaning'], exitCodes()),
    `When several things are wrong, the code is their common one, or 1. Numbers never get a second meaning.`,
    `## What works where`,
    `A command that a place cannot do is an error that names the configured providers that can.`,
    table(
      ['', 'vault, KV v2', 'vault, KV v1', 'aws', 'local', 'vaultEnv', 'dotenv, env'],
      WHERE.map(([what, ...marks]) => [what, ...marks.map((mark) => (mark ? 'yes' : 'no'))]),
    ),
    `KV v1 has no check-and-set, so it takes whole documents only: one field of several could lose another one. A vault-env
environment is one document with one history: \`versions\` and \`rollback\` are about all of its names.`,
    ...all.map(({ name, command }) => section(name, command, COMMON)),
  ]
  return `${parts.join('\n\n')}\n`
}

const text = await page()
let before = ''
try {
  before = readFileSync(file, 'utf8')
} catch {
  // Not written yet.
}
if (process.argv.includes('--check')) {
  if (before !== text) {
    console.error('docs/commands.md is out of date. Write it with: node scripts/docs.mjs')
    process.exitCode = 1
  }
} else if (before !== text) writeFileSync(file, text)
