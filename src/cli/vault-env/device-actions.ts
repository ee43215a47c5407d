import { changeDevice, listDevices, registerDevice } from '../../providers/vault-env/admin.ts'
import { PROGRAM } from '../command.ts'
import { result, table } from '../output.ts'
import { clientOf, deviceName, type TargetFlags } from './target.ts'

type Flags = TargetFlags & { readonly json: boolean | undefined }

export async function showDevices(flags: Flags): Promise<void> {
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
}

/** @param name absent: the host's */
export async function registerThisDevice(flags: Flags, name: string | undefined): Promise<void> {
  const device = await registerDevice(deviceName(name), clientOf(flags))
  result(flags.json === true, device, () =>
    device.status === 'pending'
      ? `Device registered: pending\n  On an approved machine run: ${PROGRAM} approve-device --id ${device.id}`
      : `Device registered: ${device.status}`,
  )
}

export async function changeOneDevice(flags: Flags, action: 'approve' | 'revoke', id: string): Promise<void> {
  await changeDevice(action, id, clientOf(flags))
  const status = action === 'approve' ? 'approved' : 'revoked'
  result(flags.json === true, { id, status }, () => `Device ${status}: ${id}`)
}
