import type { ArgsDef } from 'citty'
import type { CommandTable } from './command.ts'
import { commands as secrets } from './commands/index.ts'
import { commands as vaultEnv } from './vault-env/index.ts'

interface Flag {
  readonly name: string
  readonly description: string
  readonly takesValue: boolean
}

interface Word {
  readonly name: string
  readonly description: string
  readonly flags: readonly Flag[]
  /** What may stand as its argument, where that is a choice; else files. */
  readonly choices: readonly string[]
}

/** The programs that share their commands. */
interface Program {
  readonly names: readonly string[]
  /** Of the shell function. */
  readonly id: string
  readonly words: readonly Word[]
}

async function programs(): Promise<Program[]> {
  return [
    { names: ['secrets', 'unplugin-secrets'], id: '_secrets', words: await wordsOf(secrets) },
    { names: ['vault-env'], id: '_vault_env', words: await wordsOf(vaultEnv) },
  ]
}

function wordsOf(commands: CommandTable): Promise<Word[]> {
  return Promise.all(
    Object.entries(commands).map(async ([name, { description, load }]): Promise<Word> => {
      const args = Object.entries((await load()).default.definition.args as ArgsDef)
      const flags = args.flatMap(([flag, definition]) => {
        if (definition.type === 'positional') return []
        const negated = definition.type === 'boolean' && definition.default === true
        const meaning = negated ? definition.negativeDescription : definition.description
        return [
          {
            name: `--${negated ? 'no-' : ''}${flag}`,
            description: meaning ?? '',
            takesValue: definition.type !== 'boolean',
          },
        ]
      })
      const choices = args.flatMap(([, definition]) => {
        return definition.type === 'positional' && 'options' in definition
          ? (definition.options as string[])
          : []
      })
      return { name, description, flags, choices }
    }),
  )
}

/** The whole of what is completed stands in the script: no key press starts a process. */
export async function completionScript(shell: 'bash' | 'zsh' | 'fish'): Promise<string> {
  const all = await programs()
  const write = { bash, zsh, fish }[shell]
  const head = { bash: [], fish: [], zsh: [`#compdef ${all.flatMap(({ names }) => names).join(' ')}`] }[shell]
  return [...head, ...all.map(write)].join('\n')
}

const flagsOf = ({ flags }: Word): string => [...flags.map(({ name }) => name), '--help'].join(' ')
/** As a word for a shell. */
const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

function bash({ names, id, words }: Program): string {
  const line = (word: Word): string =>
    `    ${word.name}) flags=${quote(flagsOf(word))}; choices=${quote(word.choices.join(' '))} ;;`
  return `${id}() {
  local word="\${COMP_WORDS[COMP_CWORD]}" command='' flags='' choices='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      --) COMPREPLY=(); compopt -o default 2>/dev/null; return ;;
      -*) ;;
      *) command="\${COMP_WORDS[i]}"; break ;;
    esac
  done
  COMPREPLY=()
  case "$command" in
    '') COMPREPLY=($(compgen -W ${quote(words.map(({ name }) => name).join(' '))} -- "$word")); return ;;
${words.map(line).join('\n')}
    *) return ;;
  esac
  if [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$word"))
  elif [[ -n "$choices" ]]; then COMPREPLY=($(compgen -W "$choices" -- "$word"))
  else compopt -o default 2>/dev/null; fi
}
complete -F ${id} ${names.join(' ')}`
}

function zsh({ names, id, words }: Program): string {
  const entry = (name: string, description: string): string =>
    quote(`${name.replaceAll(':', '\\:')}:${description}`)
  const line = ({ name, flags, choices }: Word): string =>
    `    ${name}) flags=(${flags.map((flag) => entry(flag.name, flag.description)).join(' ')}); choices=(${choices.join(' ')}) ;;`
  return `${id}() {
  local -a names flags choices
  if (( CURRENT == 2 )); then
    names=(
${words.map(({ name, description }) => `      ${entry(name, description)}`).join('\n')}
    )
    _describe 'command' names
    return
  fi
  case "\${words[2]}" in
${words.map(line).join('\n')}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then _describe 'flag' flags
  elif (( $#choices )); then _describe 'argument' choices
  else _files; fi
}
compdef ${id} ${names.join(' ')}`
}

function fish({ names, words }: Program): string {
  const within = (name: string): string => quote(`__fish_seen_subcommand_from ${name}`)
  return names
    .flatMap((program) => [
      ...words.map(({ name, description }) => {
        return `complete -c ${program} -f -n __fish_use_subcommand -a ${name} -d ${quote(description)}`
      }),
      ...words.flatMap(({ name, flags, choices }) => [
        ...flags.map((flag) => {
          const value = flag.takesValue ? ' -r' : ''
          return `complete -c ${program} -n ${within(name)} -l ${flag.name.slice(2)}${value} -d ${quote(flag.description)}`
        }),
        ...(choices.length > 0
          ? [`complete -c ${program} -f -n ${within(name)} -a ${quote(choices.join(' '))}`]
          : []),
      ]),
    ])
    .join('\n')
}
