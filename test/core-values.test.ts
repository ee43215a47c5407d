import { Console } from 'node:console'
import { PassThrough } from 'node:stream'
import { format, inspect } from 'node:util'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import * as v from 'valibot'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { codeValue } from '../src/core/snapshot.ts'
import { createSecrets, Secret, type SecretsConfig } from '../src/index.ts'
import { canariesIn, canary } from './support/canary.ts'
import { failure, holding, makeProject, messages, type Project, recordingLogger } from './support/core.ts'

let project: Project
const logger = recordingLogger()
const values = Array.from({ length: 5 }, () => canary()) as [string, string, string, string, string]
const said: string[] = []

beforeEach(() => {
  project = makeProject()
})

afterEach(() => {
  expect(canariesIn([...said, ...logger.lines].join('\n'), values)).toEqual([])
  vi.unstubAllEnvs()
  project.remove()
})

async function load(documents: Record<string, unknown>, config: SecretsConfig, more = {}) {
  const providers = { p: holding(documents, more) }
  const secrets = await createSecrets({ root: project.root, cache: false, logger, providers, ...config })
  return secrets.load()
}

async function refused(work: Promise<unknown>) {
  const error = await failure(work)
  said.push(error.shown)
  return error
}

describe('values', () => {
  it('modes, dot keys, numbers and flags', async () => {
    const db = {
      user: values[0],
      port: 5432,
      ssl: true,
      hosts: [{ name: values[1] }],
      'a.b': 'dot',
      none: null,
    }
    const snapshot = await load(
      { db, text: JSON.stringify(db), plain: ` ${values[2]}\n` },
      {
        secrets: {
          db: { from: 'p:db', mode: 'json' },
          text: { from: 'p:text', mode: 'json' },
          RAW: 'p:text',
          PORT: 'p:db#port',
          SSL: 'p:text#ssl',
          HOST: 'p:db#hosts.0.name',
          HOSTS: { from: 'p:db#hosts', mode: 'json' },
          PLAIN: 'p:plain',
        },
      },
    )
    const text = (name: string) => snapshot.get(name)?.reveal()
    expect(text('db.user')).toBe(values[0])
    expect(text('db.port')).toBe('5432')
    expect(text('text.hosts.0.name')).toBe(values[1])
    expect(text('db.a.b')).toBe('dot')
    expect(text('db.none')).toBe('null')
    expect(text('db.hosts.length')).toBeUndefined()
    expect(text('db.constructor')).toBeUndefined()
    expect([text('PORT'), text('SSL'), text('HOST')]).toEqual(['5432', 'true', values[1]])
    expect(text('PLAIN')).toBe(` ${values[2]}\n`)
    expect(text('RAW')).toBe(JSON.stringify(db))
    expect(codeValue(snapshot, 'db')).toEqual(db)
    expect(codeValue(snapshot, 'HOSTS')).toEqual(db.hosts)
    expect(snapshot.names()).toEqual(['HOST', 'HOSTS', 'PLAIN', 'PORT', 'RAW', 'SSL', 'db', 'text'])
    expect(snapshot.get('nothing')).toBeUndefined()
    expect(snapshot.meta('PORT')).toMatchObject({ provider: 'p', reference: 'p:db#port', kind: 'text' })
  })

  it('all problems in one report, by name', async () => {
    const error = await refused(
      load(
        { doc: { user: values[0], n: null }, text: values[1], json: '{"a":1}' },
        {
          secrets: {
            MISSING: 'p:gone',
            FIELD: 'p:doc#pass',
            FLAT: 'p:text#user',
            WHOLE: 'p:doc',
            LIST: { from: 'p:text', mode: 'json' },
            NULL: 'p:doc#n',
            PART: { template: '{{vault:J.b}}' },
            J: { from: 'p:json', mode: 'json' },
            SCHEMA: { from: 'p:text', schema: z.string().max(3) },
            AFTER: { template: '{{vault:MISSING}}' },
          },
        },
      ),
    )
    const shown = error.problems.map((problem) => `${problem.code} ${problem.message.split(/[: ]/)[0]}`)
    expect(shown.sort()).toEqual([
      'FIELD_NOT_FOUND FIELD',
      'FIELD_NOT_FOUND The',
      'NOT_FOUND MISSING',
      'SCHEMA_FAILED SCHEMA',
      'WRONG_TYPE FLAT',
      'WRONG_TYPE LIST',
      'WRONG_TYPE NULL',
      'WRONG_TYPE WHOLE',
    ])
    expect(error.message).toBe('8 problems with secrets:')
    // Names of fields may be told; what is in them may not.
    expect(error.format()).toContain('Its fields: user, n.')
    expect(error.format()).toContain('PART names J.b, but J has no such key')
  })
})

describe('the environment', () => {
  it('wins, saves the call, and is named as the source', async () => {
    vi.stubEnv('TOKEN', values[0])
    vi.stubEnv('EMPTY', '')
    const config: SecretsConfig = { secrets: { TOKEN: 'p:gone', EMPTY: 'p:gone' } }
    const p = holding({})
    const snapshot = await load({}, { ...config, providers: { p } })
    expect([snapshot.get('TOKEN')?.reveal(), snapshot.get('EMPTY')?.reveal()]).toEqual([values[0], ''])
    expect(snapshot.meta('TOKEN')).toMatchObject({ source: 'process.env', provider: undefined })
    expect(p.calls).toEqual([])
    expect((await refused(load({}, { ...config, processEnv: false }))).problems).toHaveLength(2)
  })

  it('goes over templates, imports, schemas and modes alike', async () => {
    vi.stubEnv('URL', values[0])
    vi.stubEnv('PORT', '80')
    vi.stubEnv('NUMBER', '81')
    vi.stubEnv('db', '{"user":"env"}')
    const documents = { doc: { PORT: 1, OTHER: values[1] }, db: { user: 'p' }, n: '1' }
    const config: SecretsConfig = {
      import: ['p:doc'],
      secrets: {
        URL: { template: '{{vault:OTHER}}' },
        db: { from: 'p:db', mode: 'json' },
        NUMBER: { from: 'p:n', schema: z.coerce.number() },
        T: { template: '{{vault:db.user}}:{{vault:PORT}}' },
      },
    }
    const snapshot = await load(documents, config)
    expect(snapshot.get('URL')?.reveal()).toBe(values[0])
    expect(snapshot.get('T')?.reveal()).toBe('env:80')
    expect([codeValue(snapshot, 'PORT'), codeValue(snapshot, 'NUMBER')]).toEqual([80, 81])
    vi.stubEnv('db', values[2])
    expect((await refused(load(documents, config))).message).toBe('db: process.env.db is not JSON.')
  })

  it('has only what was put there', async () => {
    const snapshot = await load({ a: values[0] }, { secrets: { constructor: 'p:a', toString: 'p:a' } })
    expect(snapshot.get('toString')?.reveal()).toBe(values[0])
  })
})

describe('imports', () => {
  it('bring every key; what is declared wins', async () => {
    const documents = { doc: { A: values[0], B: 2, C: { d: values[1] }, 'bad key': 1 }, own: values[2] }
    const snapshot = await load(documents, {
      import: ['p:doc'],
      secrets: { B: 'p:own', 'bad.x': 'p:own' },
    }).catch((error) => error as Error)
    expect((snapshot as Error).message).toBe('The key "bad key" of p:doc is not a usable name.')
    const { 'bad key': _, ...good } = documents.doc
    const fine = await load({ ...documents, doc: good }, { import: ['p:doc'], secrets: { B: 'p:own' } })
    expect(fine.names()).toEqual(['A', 'B', 'C'])
    expect(fine.get('B')?.reveal()).toBe(values[2])
    expect(fine.get('C.d')?.reveal()).toBe(values[1])
    expect(fine.meta('A')).toMatchObject({ provider: 'p', reference: 'p:doc#A', source: 'provider' })
  })

  it('of a part of a document have references that can be read again', async () => {
    const documents = { 'my doc': { env: { A: values[0] } } }
    const snapshot = await load(documents, { import: ['p:my%20doc#env'] })
    const reference = snapshot.meta('A')?.reference
    expect(reference).toBe('p:my%20doc#env.A')
    expect((await load(documents, { secrets: { A: reference! } })).get('A')?.reveal()).toBe(values[0])
  })

  it.each([values[0], '[1]', '"x"', 'null', new Uint8Array([1])])(
    'of what is no object fail',
    async (document) => {
      const error = await refused(load({ doc: document }, { import: ['p:doc'], client: ['X'] }))
      expect([error.code, error.problems]).toEqual(['WRONG_TYPE', []])
    },
  )

  it('of everything may find nothing, of one document not', async () => {
    const all = { importAll: true }
    expect((await load({}, { import: ['p:*'] }, all)).names()).toEqual([])
    expect((await load({ '*': { A: 'x' } }, { import: ['p:*'] }, all)).names()).toEqual(['A'])
    expect((await refused(load({}, { import: ['p:doc'] }))).message).toContain('There is nothing at p:doc')
  })

  it('never bring a rounded number or a key that is a trap', async () => {
    const error = await refused(
      load({ doc: '{"__proto__":"x","ID":12345678901234567890}' }, { import: ['p:doc'] }),
    )
    expect(messages(error)).toEqual([
      'The key "__proto__" of p:doc is not a usable name.',
      'ID: p:doc#ID holds a number with more digits than JavaScript keeps.',
    ])
  })
})

describe('templates', () => {
  it('in values of a place that has them are filled, in the order of their needs', async () => {
    const snapshot = await load(
      { URL: 'https://{{vault:HOST}}{{ other }}', HOST: '{{vault:SUB}}.x', J: '["{{vault:SUB}}"]' },
      { secrets: { URL: 'p:URL', HOST: 'p:HOST', J: { from: 'p:J', mode: 'json' }, SUB: { template: 'w' } } },
      { templates: true },
    )
    expect(snapshot.get('URL')?.reveal()).toBe('https://w.x{{ other }}')
    expect(snapshot.get('J.0')?.reveal()).toBe('w')
    const plain = await load({ URL: '{{vault:X}}' }, { secrets: { URL: 'p:URL' } })
    expect(plain.get('URL')?.reveal()).toBe('{{vault:X}}')
  })

  it('in values tell their mistakes without the value, and beside all others', async () => {
    const error = await refused(
      load(
        {
          A: `${values[0]}{{vault:B`,
          C: `{{vault:D}}${values[1]}`,
          D: '{{vault:E}}',
          E: '{{vault:C}}',
          F: `${values[2]}{{vault:NO}}`,
        },
        { secrets: { A: 'p:A', C: 'p:C', D: 'p:D', E: 'p:E', F: 'p:F' } },
        { templates: true },
      ),
    )
    expect(messages(error).map((message) => message.slice(0, 46))).toEqual([
      'Cannot read the template in the value of A: {{',
      'Templates go in a circle: C → D → E → C.',
    ])
    const unknown = await refused(
      load({ F: `${values[2]}{{vault:NO}}` }, { secrets: { F: 'p:F' } }, { templates: true }),
    )
    expect(unknown.message).toContain('names NO, which is not declared')
  })

  it('cannot stand on an optional secret that is not there', async () => {
    const error = await refused(
      load(
        {},
        {
          secrets: {
            MAYBE: { from: 'p:x', schema: z.string().optional() },
            T: { template: '{{vault:MAYBE}}' },
          },
        },
      ),
    )
    expect(error.message).toBe('The template of T names MAYBE, which has no value.')
  })
})

describe('placeholders', () => {
  it('are no values, wherever they stand', async () => {
    const error = await refused(
      load(
        { a: 'REPLACE_WITH_a_key', doc: { deep: ['REPLACE_WITH'], ok: 'I REPLACE_WITH' } },
        {
          secrets: {
            A: 'p:a',
            DOC: { from: 'p:doc', mode: 'json' },
            OK: 'p:doc#ok',
            T: { template: '{{vault:A}}' },
          },
        },
      ),
    )
    expect(error.problems.map(({ code }) => code)).toEqual(['PLACEHOLDER', 'PLACEHOLDER'])
    expect(error.format()).toContain('Put the real value at p:a.')
    vi.stubEnv('OK', 'REPLACE_WITH_it')
    expect((await refused(load({ doc: { ok: 'x' } }, { secrets: { OK: 'p:doc#ok' } }))).code).toBe(
      'PLACEHOLDER',
    )
  })
})

describe('schemas', () => {
  const libraries = {
    zod: {
      fallback: z.string().default('d'),
      optional: z.string().optional(),
      number: z.coerce.number(),
      list: z.string().transform((text) => text.split(',')),
      object: z.object({ user: z.string(), port: z.number() }),
      upper: z.string().transform((text) => text.toUpperCase()),
    },
    valibot: {
      fallback: v.optional(v.string(), 'd'),
      optional: v.optional(v.string()),
      number: v.pipe(v.string(), v.transform(Number)),
      list: v.pipe(
        v.string(),
        v.transform((text) => text.split(',')),
      ),
      object: v.object({ user: v.string(), port: v.number() }),
      upper: v.pipe(v.string(), v.toUpperCase()),
    },
  }

  it.each(['zod', 'valibot'] as const)('%s: defaults, optional, coercion, transforms', async (library) => {
    const schemas = libraries[library]
    const snapshot = await load(
      { n: '8080', l: 'a,b', o: { user: values[0], port: 1, more: 2 }, u: 'x' },
      {
        secrets: {
          FALLBACK: { from: 'p:gone', schema: schemas.fallback },
          OPTIONAL: { from: 'p:gone', schema: schemas.optional },
          NO_FIELD: { from: 'p:o#gone', schema: schemas.optional },
          NUMBER: { from: 'p:n', schema: schemas.number },
          LIST: { from: 'p:l', schema: schemas.list },
          OBJECT: { from: 'p:o', mode: 'json', schema: schemas.object },
          UPPER: { from: 'p:u', schema: schemas.upper },
        },
      },
    )
    expect(snapshot.names()).toEqual(['FALLBACK', 'LIST', 'NUMBER', 'OBJECT', 'UPPER'])
    const read = (name: string) => codeValue(snapshot, name)
    expect(['FALLBACK', 'LIST', 'NUMBER', 'OBJECT', 'UPPER'].map(read)).toEqual([
      'd',
      ['a', 'b'],
      8080,
      { user: values[0], port: 1 },
      'X',
    ])
    expect(snapshot.get('LIST.1')?.reveal()).toBe('b')
    expect(snapshot.meta('NUMBER')?.kind).toBe('json')
    const required = load(
      { o: { user: '' } },
      { secrets: { A: { from: 'p:o#gone', schema: schemas.upper } } },
    )
    await expect(required).rejects.toMatchObject({ code: 'FIELD_NOT_FOUND' })
  })

  it('fail by name and rule, and never quote what they got', async () => {
    const quoting = z.string().refine(() => false, { error: ({ input }) => `bad: ${input}` })
    const failing: Record<string, [StandardSchemaV1, string]> = {
      MIN: [z.string().min(99), 'too_small, at least 99'],
      STARTS: [z.string().startsWith('sk_'), 'starts_with'],
      ENUM: [z.enum(['a', 'b']), 'invalid_value'],
      LITERAL: [z.literal('x'), 'invalid_value'],
      QUOTING: [quoting, 'custom'],
      DEEP: [
        z
          .string()
          .transform((text) => ({ text }))
          .pipe(z.object({ text: z.string().max(3) })),
        'at .text',
      ],
      EMAIL: [v.pipe(v.string(), v.email()), 'email'],
      REGEX: [v.pipe(v.string(), v.regex(/^x/)), 'regex'],
      PICK: [v.picklist(['a', 'b']), 'picklist'],
      CHECK: [
        v.pipe(
          v.string(),
          v.check(
            () => false,
            (issue) => `bad: ${issue.input}`,
          ),
        ),
        'check',
      ],
      LENGTH: [v.pipe(v.string(), v.maxLength(3)), 'max_length'],
    }
    for (const [name, [schema, part]] of Object.entries(failing)) {
      const error = await refused(load({ a: values[0] }, { secrets: { [name]: { from: 'p:a', schema } } }))
      expect([error.code, error.message.startsWith(`${name} does not fit its schema: `)]).toEqual([
        'SCHEMA_FAILED',
        true,
      ])
      expect(error.message).toContain(part)
    }
  })

  it('that throw, or give what JSON cannot say, are told as such', async () => {
    const throwing = z.string().transform((text): string => {
      throw new Error(text)
    })
    const strange = z.string().transform((text) => BigInt(text.length))
    const error = await refused(
      load(
        { a: values[0] },
        { secrets: { A: { from: 'p:a', schema: throwing }, B: { from: 'p:a', schema: strange } } },
      ),
    )
    expect(messages(error)).toEqual([
      'The schema of A threw while it checked the value.',
      'The schema of B gives something that JSON cannot say.',
    ])
  })

  it('that want a value say that there is none, not that it does not fit', async () => {
    const error = await refused(load({}, { secrets: { A: { from: 'p:gone', schema: z.string().min(9) } } }))
    expect([error.code, error.message]).toEqual(['NOT_FOUND', 'A is not there at p:gone (memory).'])
  })
})

describe('a secret', () => {
  it('prints as its name everywhere', async () => {
    const [value] = values
    const snapshot = await load(
      { a: value, j: { k: value } },
      { secrets: { A: 'p:a', J: { from: 'p:j', mode: 'json' } } },
    )
    const secret = snapshot.get('A')!
    const stream = new PassThrough()
    const printed: string[] = []
    stream.on('data', (chunk: Buffer) => printed.push(chunk.toString()))
    const terminal = new Console(stream)
    terminal.log('%s %o %O %j %d %i', secret, secret, secret, secret, secret, secret, { secret }, [secret])
    terminal.table([{ secret }])
    terminal.dir(secret, { showHidden: true })
    terminal.dir(snapshot, { showHidden: true, depth: 9 })
    const shown = [
      `${secret}`,
      String(secret),
      `${secret}x`,
      JSON.stringify({ secret, snapshot }),
      inspect(secret, { showHidden: true, customInspect: false, depth: 9, getters: true }),
      inspect({ snapshot }, { showHidden: true, customInspect: false, depth: 9 }),
      format('%s', secret),
      String(new Error(String(secret))),
      inspect(new Error('x', { cause: secret })),
      Object.entries(secret).join(),
      JSON.stringify(structuredClone({ ...secret })),
      ...printed,
    ].join('\n')
    expect(canariesIn(shown, values)).toEqual([])
    expect(`${secret}`).toBe('[secret A]')
    expect(JSON.stringify([secret])).toBe('["[secret A]"]')
    expect(inspect({ secret })).toBe('{ secret: [secret A] }')
    expect(`${snapshot.get('J.k')}`).toBe('[secret J.k]')
    expect(JSON.stringify(snapshot)).toBe('["A","J"]')
    expect(secret).toBeInstanceOf(Secret)
    expect(secret.reveal()).toBe(value)
  })
})
