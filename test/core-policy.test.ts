import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createExposure, serverValues } from '../src/core/expose/exposure.ts'
import { createPolicy } from '../src/core/policy.ts'
import { createSecrets, type SecretsConfig } from '../src/index.ts'
import { canariesIn, canary } from './support/canary.ts'
import { failure, holding, makeProject, messages, type Project, type Recorded } from './support/core.ts'

let project: Project
let p: Recorded
const value = { token: canary('token'), host: canary('host'), pass: canary('pass') }
const said: string[] = []

beforeEach(() => {
  project = makeProject()
  p = holding({
    token: value.token,
    host: value.host,
    db: { host: value.host, pass: value.pass, deep: { a: value.token } },
    all: { TOKEN: value.token, MAPS: value.host, nested: { key: value.pass } },
  })
})

afterEach(() => {
  expect(canariesIn(said.join('\n'), Object.values(value))).toEqual([])
  vi.unstubAllEnvs()
  project.remove()
})

const open = (config: SecretsConfig) =>
  createSecrets({ root: project.root, cache: false, providers: { p }, ...config })

async function refused(work: Promise<unknown>): Promise<string[]> {
  const error = await failure(work)
  said.push(error.shown)
  return messages(error)
}

describe('the client list', () => {
  it('allows names and parts, and nothing by likeness', () => {
    const policy = createPolicy(['A', 'db.user', 'json'])
    const allowed = (name: string) => policy.allows(name)
    expect(['A', 'db.user', 'db.user.first', 'json', 'json.a.b'].every(allowed)).toBe(true)
    expect(['AB', 'a', '', 'db', 'db.users', 'db.pass', 'jso', 'json2', 'A '].some(allowed)).toBe(false)
    expect(createPolicy([]).allows('A')).toBe(false)
  })

  it.each([
    ['*', 'is the pattern *'],
    ['PUBLIC_*', 'is the pattern PUBLIC_*'],
    ['{A,B}', 'is the pattern {A,B}'],
    ['?', 'is the pattern ?'],
    ['', 'client[0] is empty'],
    ['TOKNE', 'is no declared secret. Did you mean TOKEN?'],
    ['TOKEN ', 'Did you mean TOKEN?'],
    ['PUBLIC_', 'client names PUBLIC_, which is no declared secret'],
    ['DB.host', 'client names DB.host'],
  ])('refuses %j before any provider is asked', async (entry, part) => {
    const told = await refused(open({ secrets: { TOKEN: 'p:token', db: 'p:db' }, client: [entry] }))
    expect(told).toHaveLength(1)
    expect(told[0]).toContain(part)
    expect(p.calls).toEqual([])
  })

  it('is compared with imported names once they are known, and not when they could not be', async () => {
    const imported = { import: ['p:all'], client: ['MPAS'] }
    expect(await refused((await open(imported)).load())).toEqual([
      'client names MPAS, which is no declared secret. Did you mean MAPS?',
    ])
    const told = await refused((await open({ ...imported, import: ['p:gone'] })).load())
    expect(told).toEqual(['There is nothing at p:gone, which `import` names.'])
  })

  it('has to name parts that are there', async () => {
    const expose = async (config: SecretsConfig) => {
      const secrets = await open(config)
      return createExposure(secrets.config, await secrets.load(), [])
    }
    const db = { from: 'p:db', mode: 'json' } as const
    const { client } = await expose({ secrets: { db }, client: ['db.host', 'db.deep.a'] })
    expect(Object.fromEntries(client.values)).toEqual({ db: { host: value.host, deep: { a: value.token } } })
    expect(await refused(expose({ secrets: { db }, client: ['db.hots'] }))).toEqual([
      'client names db.hots, but db has no such key.',
    ])
    expect(await refused(expose({ secrets: { TOKEN: 'p:token' }, client: ['TOKEN.x'] }))).toHaveLength(1)
  })

  it('keeps a key called __proto__ one', async () => {
    const odd = holding({ odd: JSON.parse('{"__proto__":{"a":"x"},"b":"y"}') })
    const secrets = await open({
      providers: { p: odd },
      secrets: { odd: { from: 'p:odd', mode: 'json' } },
      client: ['odd.__proto__'],
    })
    const { client } = createExposure(secrets.config, await secrets.load(), [])
    expect(JSON.stringify([...client.values])).toBe('[["odd",{"__proto__":{"a":"x"}}]]')
  })
})

describe('prefixes', () => {
  it('that a bundler shows to browsers by itself need the list too', async () => {
    const secrets = await open({
      secrets: { VITE_TOKEN: 'p:token', VITE_HOST: 'p:host', X: 'p:token' },
      client: ['VITE_HOST'],
    })
    const snapshot = await secrets.load()
    const told = await refused((async () => createExposure(secrets.config, snapshot, ['VITE_', '']))())
    expect(told).toHaveLength(1)
    expect(told[0]).toContain('VITE_TOKEN is not in the client list, but its prefix VITE_')
    expect(createExposure(secrets.config, snapshot, ['PUBLIC_']).client.values.size).toBe(1)
  })
})

describe('templates', () => {
  it.each([
    [{ template: 'x{{vault:TOKEN}}' }, ['URL']],
    [{ template: '{"a":"{{vault:TOKEN}}"}', mode: 'json' as const }, ['URL.a']],
    [{ template: '{{vault:TOKEN}}{{vault:TOKEN}}' }, ['URL']],
  ])('%j for clients must not carry what they may not have', async (template, client) => {
    const told = await refused(open({ secrets: { TOKEN: 'p:token', URL: template }, client }))
    expect(told).toEqual(['URL is in the client list, but its template holds TOKEN, which is not.'])
    expect(p.calls).toEqual([])
  })

  it('an allowed part is allowed, its neighbours and namesakes are not', async () => {
    const db = { from: 'p:db', mode: 'json' } as const
    const url = (alias: string) => ({ template: `{{vault:${alias}}}` })
    const secrets = await open({ secrets: { db, URL: url('db.host') }, client: ['URL', 'db.host'] })
    expect((await secrets.load()).get('URL')?.reveal()).toBe(value.host)
    expect(
      await refused(open({ secrets: { db, URL: url('db.pass') }, client: ['URL', 'db.host'] })),
    ).toHaveLength(1)
    expect(await refused(open({ secrets: { db, URL: url('db') }, client: ['URL', 'db.host'] }))).toHaveLength(
      1,
    )
    // `db.own` is a secret of its own, which the entry `db` says nothing about.
    const own = { db, 'db.own': 'p:token', URL: url('db.own') }
    expect(await refused(open({ secrets: own, client: ['URL', 'db'] }))).toHaveLength(1)
  })

  it('that a value brings are held to the list as well', async () => {
    const files = holding({ URL: 'https://{{vault:TOKEN}}@x' }, { templates: true })
    const config = { providers: { p, files }, secrets: { TOKEN: 'p:token', URL: 'files:URL' } }
    const secrets = await open({ ...config, client: ['URL'] })
    expect(await refused(secrets.load())).toEqual([
      'URL is in the client list, but its template holds TOKEN, which is not.',
    ])
    expect((await (await open(config)).load()).get('URL')?.reveal()).toBe(`https://${value.token}@x`)
  })

  it('is asked again when an import has brought its names', async () => {
    const two = holding({ doc: { db: { host: 'x' }, 'db.own': value.token } })
    const secrets = await open({
      providers: { two },
      import: ['two:doc'],
      secrets: { URL: { template: '{{vault:db.own}}' } },
      client: ['URL', 'db'],
    })
    expect(await refused(secrets.load())).toHaveLength(1)
    const early = { secrets: { URL: { template: '{{vault:nested.key}}' } }, client: ['URL', 'MAPS'] }
    expect(await refused(open({ import: ['p:all'], ...early }))).toHaveLength(1)
  })
})

describe('what must not stand in an output', () => {
  const needles = async (config: SecretsConfig) => {
    const secrets = await open(config)
    return serverValues(await secrets.load(), createPolicy(config.client ?? [])).map(({ name }) => name)
  }
  const db = { from: 'p:db', mode: 'json' } as const

  it('is every server value, whole and in parts', async () => {
    const config = { secrets: { TOKEN: 'p:token', HOST: 'p:host', db } }
    expect(await needles(config)).toEqual(['HOST', 'TOKEN', 'db', 'db.host', 'db.pass', 'db.deep.a'])
    expect(await needles({ ...config, client: ['HOST', 'db.pass'] })).toEqual([
      'TOKEN',
      'db',
      'db.host',
      'db.deep.a',
    ])
    expect(await needles({ ...config, client: ['TOKEN', 'HOST', 'db'] })).toEqual([])
  })

  it('is no document of which every part is allowed: it stands there by right', async () => {
    expect(await needles({ secrets: { db }, client: ['db.host', 'db.pass', 'db.deep'] })).toEqual([])
  })
})
