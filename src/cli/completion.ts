import type { ArgsDef } from 'citty'
import { commands } from './commands/index.ts'

interface Word {
  readonly name: string
  readonly description: string
  readonly flags: readonly { readonly name: string; readonly description: string }[]
}

async function words(): Promise<Word[]> {
  return Promise.all(
    Object.entries(commands).map(async ([name, { description, load }]): Promise<Word> => {
      const args = (await load()).default.definition.args as ArgsDef
      const flags = Object.entries(args).flatMap(([flag, definition]) => {
        if (definition.type === 'positional') return []
        const negated = definition.type === 'boolean' && definition.default === true
        return [{ name: `--${negated ? 'no-' : ''}${flag}`, description: definition.description ?? '' }]
      })
      return { name, description, flags }
    }),
  )
}

/** The whole of what is completed stands in the script: no key press starts a process. */
export async function completionScript(shell: 'bash' | 'zsh' | 'fish'): Promise<string> {
  const all = await words()
  return { bash, zsh, fish }[shell](all)
}

const flagsOf = ({ flags }: Word): string => [...flags.map(({ name }) => name), '--help'].join(' ')
/** As a word for a shell. */
const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

function bash(all: readonly Word[]): string {
  return `# secrets completion bash
_secrets() {
  local word="\${COMP_WORDS[COMP_CWORD]}" command='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      --) COMPREPLY=(); compopt -o default 2>/dev/null; return ;;
      -*) ;;
      *) command="\${COMP_WORDS[i]}"; break ;;
    esac
  done
  COMPREPLY=()
  case "$command" in
    '') COMPREPLY=($(compgen -W ${quote(all.map(({ name }) => name).join(' '))} -- "$word")); return ;;
${all.map((word) => `    ${word.name}) local flags=${quote(flagsOf(word))} ;;`).join('\n')}
    *) return ;;
  esac
  if [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$word"))
  else compopt -o default 2>/dev/null; fi
}
complete -F _secrets secrets unplugin-secrets`
}

function zsh(all: readonly Word[]): string {
  const entry = (name: string, description: string): string =>
    quote(`${name.replaceAll(':', '\\:')}:${description}`)
  return `#compdef secrets unplugin-secrets
_secrets() {
  local -a names flags
  if (( CURRENT == 2 )); then
    names=(
${all.map(({ name, description }) => `      ${entry(name, description)}`).join('\n')}
    )
    _describe 'command' names
    return
  fi
  case "\${words[2]}" in
${all
  .map(({ name, flags }) => {
    return `    ${name}) flags=(${flags.map((flag) => entry(flag.name, flag.description)).join(' ')}) ;;`
  })
  .join('\n')}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then _describe 'flag' flags; else _files; fi
}
compdef _secrets secrets unplugin-secrets`
}

function fish(all: readonly Word[]): string {
  const programs = ['secrets', 'unplugin-secrets']
  return programs
    .flatMap((program) => [
      ...all.map(({ name, description }) => {
        return `complete -c ${program} -f -n __fish_use_subcommand -a ${name} -d ${quote(description)}`
      }),
      ...all.flatMap(({ name, flags }) =>
        flags.map((flag) => {
          const long = flag.name.slice(2)
          return `complete -c ${program} -n ${quote(`__fish_seen_subcommand_from ${name}`)} -l ${long} -d ${quote(flag.description)}`
        }),
      ),
    ])
    .join('\n')
}
