import { command } from '../command.ts'
import { usageError } from '../errors.ts'
import { result } from '../output.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const

export default command({
  name: 'completion',
  description: 'Print what makes a shell complete the commands and flags of secrets and vault-env',
  examples: [
    ['source <(secrets completion bash)', 'in ~/.bashrc'],
    ['source <(secrets completion zsh)', 'in ~/.zshrc, behind compinit'],
    ['secrets completion fish | source', 'in ~/.config/fish/config.fish'],
  ],
  args: {
    shell: { type: 'positional', required: true, options: SHELLS, description: 'bash, zsh or fish' },
  },
  async run({ flags }) {
    const { completionScript } = await import('../completion.ts')
    const shell = SHELLS.find((each) => each === flags.shell)
    if (!shell) throw usageError(`completion does not know ${flags.shell}.`, `It knows ${SHELLS.join(', ')}.`)
    const script = await completionScript(shell)
    result(flags.json === true, { shell, script }, () => script)
  },
})
