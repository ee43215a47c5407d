import type { Routes } from './app.ts'
import { ApiError, answer, field, nameField } from './request.ts'

/** Making a project and giving it its key: the routes that nobody signs. */
export function addProjectRoutes({ store, open }: Routes): void {
  open('project/create', async (body) => {
    const { id, environments } = await store.createProject(
      nameField(body, 'project_name', 'project_name required'),
    )
    return answer({ project_id: id, environments })
  })

  open('project/set-key', async (body) => {
    const required = 'project_id and auth_key_hash required'
    const id = field(body, 'project_id', required)
    const hash = field(body, 'auth_key_hash', required)
    if (!/^[0-9a-f]{64}$/i.test(hash)) throw new ApiError(400, 'auth_key_hash must be 64 hexadecimal digits')
    if (!(await store.project(id))) throw new ApiError(404, 'Project not found')
    if (!(await store.setKey(id, hash.toLowerCase()))) throw new ApiError(409, 'Auth key already set')
    return answer({ ok: true })
  })
}
