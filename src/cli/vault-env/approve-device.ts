import { changeDevice } from '../../providers/vault-env/admin.ts'
import { command, PROGRAM } from '../command.ts'
import { usageError } from '../errors.ts'
import { result } from '../output.ts'
import { clientOf, TARGET } from './target.ts'

export default command({
  name: 'approve-device',
  description: 'Let a device that waits read and push',
  examples: [[`${PROGRAM} approve-device --id ID`, 'ids: list-devices']],
  args: {
    ...TARGET,
    id: { type: 'string', description: 'The id of the device', valueHint: 'id' },
  },
  async run({ flags }) {
    const { id } = flags
    if (!id) throw usageError('approve-device needs --id ID.', `The ids: ${PROGRAM} list-devices`)
    await changeDevice('approve', id, clientOf(flags))
    result(flags.json === true, { id, status: 'approved' }, () => `Device approved: ${id}`)
  },
})
