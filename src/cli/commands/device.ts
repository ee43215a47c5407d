import { type CommonFlags, command } from '../command.ts'
import { usageError } from '../errors.ts'
import { TARGET } from '../vault-env/target.ts'

const ACTIONS = ['list', 'register', 'approve', 'revoke'] as const

export default command({
  name: 'device',
  description: 'The devices of a vault-env project: list them, register this one, approve or revoke one',
  examples: [
    ['secrets device list', 'the newest first'],
    ['secrets device register --name laptop', 'the first one is approved, others wait'],
    ['secrets device approve ID', 'lets a device that waits read and push'],
    ['secrets device revoke ID --yes', 'takes a device its rights; its cache goes at its next start'],
  ],
  args: {
    action: { type: 'positional', required: true, description: '`list`, `register`, `approve` or `revoke`' },
    id: { type: 'positional', required: false, description: 'The device that is approved or revoked' },
    ...TARGET,
    name: {
      type: 'string',
      description: 'With register: how it is called (default: the host name)',
      valueHint: 'name',
    },
    yes: { type: 'boolean', alias: 'y', description: 'Do not ask' },
  },
  async run({ flags }) {
    const { id, name, yes } = flags
    const action = ACTIONS.find((each) => each === flags.action)
    if (!action) throw usageError(`device does not know ${flags.action}.`, `It knows: ${ACTIONS.join(', ')}.`)
    const takesId = action === 'approve' || action === 'revoke'
    if (takesId && id === undefined)
      throw usageError(`device ${action} needs the ID of a device.`, 'The ids: secrets device list')
    if (!takesId && id !== undefined) throw usageError(`device ${action} takes no ID.`)
    const { changeOneDevice, registerThisDevice, showDevices } = await import(
      '../vault-env/device-actions.ts'
    )
    const target = { ...flags, url: flags.url ?? (await configuredUrl(flags)) }
    if (action === 'list') return showDevices(target)
    if (action === 'register') return registerThisDevice(target, name)
    if (action === 'revoke') {
      const { approve } = await import('../prompt.ts')
      await approve(`Revoke the device ${id}, which can read nothing then?`, yes)
    }
    await changeOneDevice(target, action, id!)
  },
})

/** That of the configured `vaultEnv`, which need not be the one of `VAULT_URL`. */
async function configuredUrl(flags: CommonFlags): Promise<string | undefined> {
  const { optionsOf } = await import('../context.ts')
  const { resolveConfig } = await import('../../core/config/resolve.ts')
  const { providers } = await resolveConfig(optionsOf(flags))
  return [...providers.values()].find(({ type }) => type === 'vaultEnv')?.location
}
