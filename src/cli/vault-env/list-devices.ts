import { listDevices } from '../../providers/vault-env/admin.ts'
import { command, PROGRAM } from '../command.ts'
import { result, table } from '../output.ts'
import { clientOf, TARGET } from './target.ts'

export default command({
  name: 'list-devices',
  description: 'List the devices of the project',
  examples: [[`${PROGRAM} list-devices`, 'the newest first']],
  args: TARGET,
  async run({ flags }) {
    const devices = await listDevices(clientOf(flags))
    const time = (ms: number | undefined): string => (ms === undefined ? 'never' : new Date(ms).toISOString())
    result(flags.json === true, { devices }, () =>
      devices.length === 0
        ? 'No device is registered: whoever has the key may read and push.'
        : table(
            ['ID', 'NAME', 'STATUS', 'LAST SEEN'],
            devices.map(({ id, name, status, lastSeenAt }) => [id, name, status, time(lastSeenAt)]),
          ),
    )
  },
})
