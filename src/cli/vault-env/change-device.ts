import { type Command, command, PROGRAM } from '../command.ts'
import { usageError } from '../errors.ts'
import { changeOneDevice } from './device-actions.ts'
import { TARGET } from './target.ts'

/** `approve-device` and `revoke-device`. */
export function changeDeviceCommand(action: 'approve' | 'revoke', description: string): Command {
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
      await changeOneDevice(flags, action, id)
    },
  })
}
