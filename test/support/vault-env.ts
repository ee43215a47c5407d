import { authKey, makeVaultKey, signRequest } from '../../src/core/crypto/vault-env.ts'

export interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

/** A client of the wire alone: it sends what a test tells it to, right or wrong. */
export class WireClient {
  readonly url: string
  projectId = ''
  key = ''

  constructor(url: string) {
    this.url = url
  }

  async send(route: string, text: string, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${this.url}/api/v1/${route}`, { method: 'POST', body: text, headers })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  /** Makes a project with its key. */
  async start(): Promise<this> {
    const made = await this.send('project/create', JSON.stringify({ project_name: 'test' }))
    this.projectId = String(made.body.project_id)
    this.key = makeVaultKey(this.projectId)
    await this.send(
      'project/set-key',
      JSON.stringify({ project_id: this.projectId, auth_key_hash: authKey(this.key).toString('hex') }),
    )
    return this
  }

  signed(route: string, body: Record<string, unknown> = {}, now = Date.now()): Promise<Answer> {
    const text = JSON.stringify({ project_id: this.projectId, ...body })
    return this.send(route, text, { 'X-Vault-Signature': signRequest(text, authKey(this.key), now) })
  }
}
