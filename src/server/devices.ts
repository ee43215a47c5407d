import type { Routes, Signed } from './app.ts'
import { ApiError, field, optionalField } from './request.ts'
import type { Store } from './store.ts'

/**
 * Lets approved devices through. The protocol opens the gate while a project has no device at all; a strict
 * server's other routes do not.
 * @throws ApiError 403 in the words that clients look for
 */
export async function gate(
  store: Store,
  { projectId, body }: Signed,
  { whenNoDevices }: { whenNoDevices: 'pass' | 'refuse' },
): Promise<void> {
  if (whenNoDevices === 'pass' && !(await store.hasDevices(projectId))) return
  const hash = optionalField(body, 'device_hash')
  const device = hash === undefined ? undefined : await store.device(projectId, hash)
  if (device?.status === 'pending') throw new ApiError(403, 'Device pending approval')
  if (device?.status !== 'approved') throw new ApiError(403, 'Device not registered or revoked')
  await store.seen(device.id)
}

export function addDeviceRoutes({ store, strict, signed }: Routes): void {
  const registration = ['project_id', 'device_name', 'device_hash']
  const requiredMessage = 'project_id, device_name, and device_hash required'
  signed(
    'devices/register',
    { changes: true, required: registration, requiredMessage },
    async ({ projectId, body, caller }, context) => {
      const device = await store.register(projectId, field(body, 'device_name'), field(body, 'device_hash'))
      await store.audit(projectId, null, 'device_register', caller)
      return context.json({ device_id: device.id, status: device.status })
    },
  )

  const change = (action: 'approve' | 'revoke', status: string): void => {
    signed(`devices/${action}`, { changes: true }, async (request, context) => {
      const { projectId, body, caller } = request
      const id = field(body, 'device_id')
      if (strict) await gate(store, request, { whenNoDevices: 'refuse' })
      if (!(await store[action](projectId, id))) throw new ApiError(404, 'Device not found')
      await store.audit(projectId, null, `device_${action}`, caller)
      return context.json({ device_id: id, status })
    })
  }
  change('approve', 'approved')
  change('revoke', 'revoked')

  signed('devices/list', { changes: false }, async ({ projectId }, context) => {
    return context.json({ devices: await store.devices(projectId) })
  })

  // The hosted service's tokens for showing a value once; there are none here.
  signed('reveal-token/validate', { changes: false }, async ({ body }, context) => {
    field(body, 'token')
    return context.json({ valid: false, reason: 'not_found' })
  })
}
