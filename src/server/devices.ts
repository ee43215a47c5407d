import type { Routes, Signed } from './app.ts'
import { ApiError, answer, field, nameField, optionalField } from './request.ts'
import type { Access, Store } from './store.ts'

/**
 * Lets approved devices through. The protocol opens the gate while a project has no device at all; a strict
 * server's other routes do not.
 * @returns the device, if one was needed
 * @throws ApiError 403 in the words that clients look for
 */
export function gate(
  { hasDevices, device }: Access,
  { whenNoDevices }: { whenNoDevices: 'pass' | 'refuse' },
): Access['device'] {
  if (whenNoDevices === 'pass' && !hasDevices) return undefined
  if (device?.status === 'pending') throw new ApiError(403, 'Device pending approval')
  if (device?.status !== 'approved') throw new ApiError(403, 'Device not registered or revoked')
  return device
}

/** The gate of a strict server, before what else needs the vault key only. */
export async function strictGate(store: Store, { projectId, body }: Signed): Promise<void> {
  const deviceHash = optionalField(body, 'device_hash')
  const access = found(await store.access({ project: projectId, environment: '', deviceHash }))
  const device = gate(access, { whenNoDevices: 'refuse' })
  if (device) await store.seen(device.id)
}

/** @throws ApiError 404 for a project that went meanwhile */
export function found(access: Access | undefined): Access {
  if (!access) throw new ApiError(404, 'Project not found')
  return access
}

export function addDeviceRoutes({ store, strict, signed }: Routes): void {
  signed(
    'devices/register',
    async ({ projectId, body, caller, claim }) => {
      const name = nameField(body, 'device_name')
      const hash = nameField(body, 'device_hash')
      await claim()
      const device = await store.register(projectId, name, hash)
      await store.audit(projectId, null, 'device_register', caller)
      return answer({ device_id: device.id, status: device.status })
    },
    {
      fields: ['project_id', 'device_name', 'device_hash'],
      message: 'project_id, device_name, and device_hash required',
    },
  )

  const change = (action: 'approve' | 'revoke', status: string): void => {
    signed(`devices/${action}`, async (request) => {
      const { projectId, body, caller } = request
      const id = field(body, 'device_id')
      if (strict) await strictGate(store, request)
      await request.claim()
      if (!(await store[action](projectId, id))) throw new ApiError(404, 'Device not found')
      await store.audit(projectId, null, `device_${action}`, caller)
      return answer({ device_id: id, status })
    })
  }
  change('approve', 'approved')
  change('revoke', 'revoked')

  signed('devices/list', async ({ projectId }) => answer({ devices: await store.devices(projectId) }))

  // The hosted service's tokens for showing a value once; there are none here.
  signed('reveal-token/validate', async ({ body }) => {
    field(body, 'token')
    return answer({ valid: false, reason: 'not_found' })
  })
}
