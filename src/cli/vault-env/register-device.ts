import { registerDevice } from '../../providers/vault-env/admin.ts'
import { command, PROGRAM } from '../command.ts'
import { result } from '../output.ts'
import { clientOf, deviceName, TARGET } from './target.ts'

export default command({
  name: 'register-device',
  description: 'Register this machine with the project; the first one is approved, others wait',
  examples: [[`${PROGRAM} register-device --name laptop`, 'then, on an approved machine: approve-device']],
  args: {
    ...TARGET,
    name: { type: 'string', description: 'How it is called (default: the host name)', valueHint: 'name' },
  },
  async run({ flags }) {
    const device = await registerDevice(deviceName(flags.name), clientOf(flags))
    result(flags.json === true, device, () =>
      device.status === 'pending'
        ? `Device registered: pending\n  On an approved machine run: ${PROGRAM} approve-device --id ${device.id}`
        : `Device registered: ${device.status}`,
    )
  },
})
