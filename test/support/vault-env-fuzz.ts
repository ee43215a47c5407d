import fc from 'fast-check'
import {
  authKey,
  deviceHash,
  makeDeviceSecret,
  makeVaultKey,
  signRequest,
} from '../../src/core/crypto/vault-env.ts'

/** A request as it goes over the wire. */
export interface FuzzRequest {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string
}

export type Send = (request: FuzzRequest) => Promise<{ status: number; text: string }>

/** The API: what each route takes, and whether it is signed. */
const ROUTES = {
  'project/create': { fields: ['project_name'], isSigned: false },
  'project/set-key': { fields: ['project_id', 'auth_key_hash'], isSigned: false },
  'secrets/push': {
    fields: ['project_id', 'environment', 'secrets', 'device_hash', 'key_names', 'key_count'],
    isSigned: true,
  },
  'secrets/pull': { fields: ['project_id', 'environment', 'device_hash'], isSigned: true },
  'secrets/current-version': { fields: ['project_id', 'environment'], isSigned: true },
  'secrets/versions': { fields: ['project_id', 'environment'], isSigned: true },
  'secrets/rollback': { fields: ['project_id', 'environment', 'version', 'device_hash'], isSigned: true },
  'devices/register': { fields: ['project_id', 'device_name', 'device_hash'], isSigned: true },
  'devices/approve': { fields: ['project_id', 'device_id', 'device_hash'], isSigned: true },
  'devices/revoke': { fields: ['project_id', 'device_id', 'device_hash'], isSigned: true },
  'devices/list': { fields: ['project_id'], isSigned: true },
  'reveal-token/validate': { fields: ['project_id', 'token'], isSigned: true },
} as const satisfies Record<string, { fields: readonly string[]; isSigned: boolean }>
type Route = keyof typeof ROUTES

/** What the documentation lets it answer. */
const STATUSES = new Set([200, 400, 401, 403, 404, 409, 413])

/** Rows that the server has said it made. */
export interface Acknowledged {
  projects: number
  environments: number
  versions: number
  devices: number
  /** Lines of the audit log. */
  audited: number
  /** Signatures that it has to remember. */
  claimed: number
}

interface Project {
  readonly id: string
  readonly key: string
  readonly devices: string[]
  readonly hashes: Set<string>
  readonly environments: Set<string>
}

/** Requests out of the API's own schema, right ones and broken ones, and what must have come of them. */
export class Fuzz {
  readonly acknowledged: Acknowledged = {
    projects: 0,
    environments: 0,
    versions: 0,
    devices: 0,
    audited: 0,
    claimed: 0,
  }
  readonly statuses = new Map<number, number>()
  readonly #send: Send
  readonly #projects: Project[] = []
  #time = 0

  constructor(send: Send) {
    this.#send = send
  }

  /** Two projects: one without devices, one with an approved and a pending one. */
  async start(): Promise<this> {
    for (let index = 0; index < 2; index++) {
      const made = await this.#ask('project/create', { project_name: `fuzz ${index}` })
      const id = String(made.project_id)
      const key = makeVaultKey(id)
      this.#projects.push({ id, key, devices: [], hashes: new Set(), environments: new Set() })
      await this.#ask('project/set-key', { project_id: id, auth_key_hash: authKey(key).toString('hex') })
    }
    const guarded = this.#projects[1]!
    for (const name of ['first', 'second'])
      await this.#ask('devices/register', {
        project_id: guarded.id,
        device_name: name,
        device_hash: deviceHash(makeDeviceSecret()),
      })
    return this
  }

  /** @throws for an answer that the API does not have */
  async run(shape: Shape): Promise<void> {
    const request = this.#make(shape)
    const { status, text } = await this.#send(request)
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    if (!STATUSES.has(status))
      throw new Error(`${request.method} ${request.path} answered ${status}: ${text}`)
    if (request.method === 'OPTIONS' || request.method === 'HEAD') return
    const body = JSON.parse(text) as Record<string, unknown>
    if (status !== 200 && (typeof body.error !== 'string' || Object.keys(body).length !== 1))
      throw new Error(`${request.path} answered ${status} with ${text.slice(0, 200)}`)
    if (request.method === 'POST') this.#tally(request, status, body)
  }

  async #ask(route: Route, fields: Record<string, unknown>): Promise<Record<string, unknown>> {
    const body = JSON.stringify(fields)
    const key = this.#projects.find(({ id }) => id === fields.project_id)?.key ?? ''
    const headers = { 'X-Vault-Signature': signRequest(body, authKey(key), this.#next()) }
    const request = { method: 'POST', path: `/api/v1/${route}`, headers, body }
    const { status, text } = await this.#send(request)
    const answer = JSON.parse(text) as Record<string, unknown>
    if (status !== 200) throw new Error(`${route}: ${text}`)
    this.#tally(request, status, answer)
    return answer
  }

  #make({
    method,
    path,
    route,
    project,
    device,
    fields,
    left,
    extra,
    text,
    signature,
    agent,
  }: Shape): FuzzRequest {
    const { id, key, devices, hashes } = this.#projects[project]!
    const valid: Record<string, unknown> = {
      project_id: id,
      device_id: devices[device % Math.max(1, devices.length)],
      device_hash: [...hashes][device % Math.max(1, Math.min(hashes.size, 3))],
      auth_key_hash: authKey(key).toString('hex'),
    }
    const body: Record<string, unknown> = { ...extra }
    for (const name of ROUTES[route].fields) {
      if (left.includes(name)) continue
      const given = fields[name]
      body[name] = given === undefined ? (valid[name] ?? DEFAULTS[name]) : given
    }
    const raw = text(JSON.stringify(body))
    const headers: Record<string, string> = {}
    const header = signature(raw, authKey(key), this.#next())
    if (header !== undefined) headers['X-Vault-Signature'] = header
    if (agent !== undefined) headers['User-Agent'] = agent
    return { method, path: path ?? `/api/v1/${route}`, headers, body: raw }
  }

  #tally({ path, body: raw }: FuzzRequest, status: number, answer: Record<string, unknown>): void {
    const route = path.slice('/api/v1/'.length) as Route
    const isDeviceChange = route === 'devices/approve' || route === 'devices/revoke'
    if (isDeviceChange && answer.error === 'Device not found') this.acknowledged.claimed++
    if (status !== 200 || !(route in ROUTES)) return
    const body = JSON.parse(raw.replace(/^\ufeff/, '')) as Record<string, unknown>
    const project = this.#projects.find(({ id }) => id === body.project_id)
    const count = this.acknowledged
    if (route === 'project/create') {
      count.projects++
      count.environments += 3
    }
    if (route === 'secrets/push' || route === 'secrets/rollback') count.versions++
    if (
      route === 'secrets/push' &&
      !['development', 'staging', 'production'].includes(String(body.environment))
    )
      project!.environments.add(String(body.environment))
    if (route === 'devices/register') {
      project!.hashes.add(String(body.device_hash))
      if (!project!.devices.includes(String(answer.device_id))) {
        project!.devices.push(String(answer.device_id))
        count.devices++
      }
    }
    const isChange = isDeviceChange || /push|rollback|register/.test(route)
    if (isChange) count.claimed++
    if (isChange || route === 'secrets/pull') count.audited++
  }

  /** So that no two signed requests are the same one by chance. */
  #next(): number {
    this.#time = Math.max(this.#time + 1, Date.now() - 100_000)
    return this.#time
  }

  /** Environments that pushes have made, beside those that come with a project. */
  madeEnvironments(): number {
    return this.#projects.reduce((sum, { environments }) => sum + environments.size, 0)
  }
}

const DEFAULTS: Record<string, unknown> = {
  project_name: 'a project',
  environment: 'production',
  secrets: 'c2VjcmV0cw==',
  key_names: ['A', 'B'],
  key_count: 2,
  version: 1,
  device_name: 'a device',
  device_id: '3f2b8c1e-9d47-4c1a-8f00-000000000000',
  token: 'rt_x',
}

/** One request, before it is written out. */
export interface Shape {
  readonly method: string
  readonly path: string | undefined
  readonly route: Route
  readonly project: number
  readonly device: number
  /** Instead of the right value. */
  readonly fields: Record<string, unknown>
  /** Left out. */
  readonly left: string[]
  readonly extra: Record<string, unknown>
  readonly text: (json: string) => string
  readonly signature: (body: string, key: Buffer, time: number) => string | undefined
  readonly agent: string | undefined
}

const oddText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(
    '',
    ' ',
    '\0',
    'a\0b',
    '\ud800',
    '\udfff\ud800',
    '\u2028',
    '🔐'.repeat(200),
    'x'.repeat(255),
    'x'.repeat(256),
    'x'.repeat(3000),
    '__proto__',
    'constructor',
    "'; DROP TABLE projects; --",
    '%s%n${x}{{y}}',
    '../../etc/passwd',
  ),
)
const oddValue = fc.oneof(
  { maxDepth: 3 },
  { weight: 3, arbitrary: oddText },
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    -0,
    2 ** 31,
    Number.MAX_SAFE_INTEGER,
    '1',
    '007',
    '1e9',
  ),
  fc.integer(),
  fc.array(oddText, { maxLength: 3 }),
  fc.dictionary(oddText, fc.constantFrom<unknown>(1, 'x', null, []), { maxKeys: 3 }),
)
const fieldNames = [...new Set(Object.values(ROUTES).flatMap(({ fields }) => fields as readonly string[]))]
const fields = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Record<string, unknown>>({}) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...fieldNames), oddValue)
      .map(([name, value]): Record<string, unknown> => ({ [name]: value })),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      environment: fc.constantFrom('development', 'staging', 'preview', 'nowhere'),
      version: fc.constantFrom<unknown>(1, 2, '3', 99),
      device_hash: fc.constantFrom(...Array.from({ length: 4 }, (_, index) => `${index}`.repeat(64))),
    }),
  },
)
const deep = (open: string, close: string, count: number) => () => open.repeat(count) + close.repeat(count)
const text = fc.oneof(
  { weight: 12, arbitrary: fc.constant((json: string) => json) },
  fc.nat({ max: 40 }).map((count) => (json: string) => json.slice(0, count)),
  fc.nat({ max: 300 }).map((at) => (json: string) => `${json.slice(0, at)}\u0001${json.slice(at + 1)}`),
  fc.constantFrom<((json: string) => string)[]>(
    (json) => `${json}x`,
    (json) => ` \n${json}\t`,
    (json) => `\ufeff${json}`,
    (json) => json.replaceAll('"', "'"),
    (json) => json.replace('{', '{"__proto__":{"project_id":"x"},'),
    (json) => json.replace('}', ',"project_id":null}'),
    (json) => `[${json}]`,
    (json) => JSON.stringify(json),
    () => '',
    () => 'null',
    () => '\0',
    deep('[', ']', 20_000),
    deep('{"project_id":', '}', 20_000),
  ),
)
const signature = fc.oneof(
  { weight: 12, arbitrary: fc.constant(signRequest) },
  oddText.map((odd) => () => odd.replace(/[^\t\x20-\x7e]/gu, '') || undefined),
  fc.constantFrom<Shape['signature'][]>(
    () => undefined,
    (body, key, time) => signRequest(body, key, time - 400_000),
    (body, key, time) => signRequest(body, key, time + 400_000),
    (body, key, time) => signRequest(`${body} `, key, time),
    (body, _key, time) => signRequest(body, Buffer.alloc(32), time),
    (body, key, time) => signRequest(body, key, time).toUpperCase(),
    (body, key, time) => signRequest(body, key, time).replace(',', ' , z=1 ,'),
    (body, key, time) => signRequest(body, key, time).slice(0, -2),
    () => `v=${'9'.repeat(400)},d=${'a'.repeat(64)}`,
    () => 'v=NaN,d=',
    () => '='.repeat(2000),
  ),
)

export const shapes: fc.Arbitrary<Shape> = fc.record({
  method: fc.oneof(
    { weight: 30, arbitrary: fc.constant('POST') },
    fc.constantFrom('GET', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH'),
  ),
  path: fc.oneof(
    { weight: 20, arbitrary: fc.constant(undefined) },
    fc.constantFrom('/', '/health', '/health/', '/api/v1/health', '/api/v1', '/api/v2/secrets/pull', '//'),
    fc.webPath(),
  ),
  route: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<Route>('secrets/push', 'secrets/pull') },
    { weight: 8, arbitrary: fc.constantFrom(...(Object.keys(ROUTES) as Route[])) },
  ),
  project: fc.nat({ max: 1 }),
  device: fc.nat({ max: 5 }),
  fields,
  left: fc.oneof(
    { weight: 5, arbitrary: fc.constant<string[]>([]) },
    fc.array(fc.constantFrom(...fieldNames), { maxLength: 2 }),
  ),
  extra: fc.oneof(
    { weight: 5, arbitrary: fc.constant<Record<string, unknown>>({}) },
    fc.dictionary(oddText, oddValue, { maxKeys: 2 }),
  ),
  text,
  signature,
  agent: fc.option(
    fc.oneof(
      fc.constantFrom('curl/8', 'x'.repeat(4000)),
      oddText.map((odd) => odd.replace(/[^\x20-\x7e\x80-\xff]/gu, '')),
    ),
    { freq: 3, nil: undefined },
  ),
})
