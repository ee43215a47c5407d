import { changeDeviceCommand } from './change-device.ts'

export default changeDeviceCommand('approve', 'Let a device that waits read and push')
