import { changeDevice } from '../../providers/vault-env/admin.ts'
import { type Command, command, PROGRAM } from '../command.ts'
import { usageError } from '../errors.ts'
import { result } from '../output.ts'
import { clientOf, TARGET } from './target.ts'

/** `approve-device` and `revoke-device`. @param done what the device is afterwards */
export function changeDeviceCommand(
  action: 'approve' | 'revoke',
  done: 'approved' | 'revoked',
  description: string,
): Command {
  const name = `${action}-device`
  return command({
    name,
    description,
    examples: [[`${PROGRAM} ${name} --id ID`, 'ids: list-devices']],
    args: {
      ...TARGET,
      id: { type: 'string', description: 'The id of the device', valueHint: 'id' },
    },
    async run({ flags }) {
      const { id } = flags
      if (!id) throw usageError(`${name} needs --id ID.`, `The ids: ${PROGRAM} list-devices`)
      await changeDevice(action, id, clientOf(flags))
      result(flags.json === true, { id, status: done }, () => `Device ${done}: ${id}`)
    },
  })
}
