import { changeDevice } from '../../providers/vault-env/admin.ts'
import { command, PROGRAM } from '../command.ts'
import { usageError } from '../errors.ts'
import { result } from '../output.ts'
import { clientOf, TARGET } from './target.ts'

export default command({
  name: 'revoke-device',
  description: "Take a device's right to read and push; it loses its cache at the next start",
  examples: [[`${PROGRAM} revoke-device --id ID`, 'ids: list-devices']],
  args: {
    ...TARGET,
    id: { type: 'string', description: 'The id of the device', valueHint: 'id' },
  },
  async run({ flags }) {
    const { id } = flags
    if (!id) throw usageError('revoke-device needs --id ID.', `The ids: ${PROGRAM} list-devices`)
    await changeDevice('revoke', id, clientOf(flags))
    result(flags.json === true, { id, status: 'revoked' }, () => `Device revoked: ${id}`)
  },
})
