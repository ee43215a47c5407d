import type { CommandTable } from '../command.ts'

/** The devices of a vault-env project; both programs have these. */
export const deviceCommands: CommandTable = {
  'register-device': {
    description: 'Register this machine with a vault-env project',
    load: () => import('./register-device.ts'),
  },
  'approve-device': { description: 'Approve a device that waits', load: () => import('./approve-device.ts') },
  'list-devices': {
    description: 'List the devices of a vault-env project',
    load: () => import('./list-devices.ts'),
  },
  'revoke-device': { description: 'Take a device its rights', load: () => import('./revoke-device.ts') },
}
