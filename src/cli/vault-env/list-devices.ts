import { command, PROGRAM } from '../command.ts'
import { showDevices } from './device-actions.ts'
import { TARGET } from './target.ts'

export default command({
  name: 'list-devices',
  description: 'List the devices of the project',
  examples: [[`${PROGRAM} list-devices`, 'the newest first']],
  args: TARGET,
  run: ({ flags }) => showDevices(flags),
})
