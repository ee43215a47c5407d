import { command, PROGRAM } from '../command.ts'
import { registerThisDevice } from './device-actions.ts'
import { TARGET } from './target.ts'

export default command({
  name: 'register-device',
  description: 'Register this machine with the project; the first one is approved, others wait',
  examples: [[`${PROGRAM} register-device --name laptop`, 'then, on an approved machine: approve-device']],
  args: {
    ...TARGET,
    name: { type: 'string', description: 'How it is called (default: the host name)', valueHint: 'name' },
  },
  run: ({ flags }) => registerThisDevice(flags, flags.name),
})
