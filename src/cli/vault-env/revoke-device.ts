import { changeDeviceCommand } from './change-device.ts'

export default changeDeviceCommand(
  'revoke',
  "Take a device's right to read and push; it loses its cache at the next start",
)
