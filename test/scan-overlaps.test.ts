import { describe, expect, it } from 'vitest'
import { SecretsError } from '../src/core/errors.ts'
import { checkOverlaps } from '../src/core/expose/overlaps.ts'
import type { Json } from '../src/core/types.ts'
import { canariesIn, canary } from './support/canary.ts'
import { buildClient, failure, fromLocal, makeProject } from './support/project.ts'

const value = canary()
const check = (client: Record<string, Json>, server: Record<string, string>, parts = true): string[] =>
  checkOverlaps(
    new Map(Object.entries(client)),
    Object.entries(server).map(([name, text]) => ({ name, text })),
    { parts },
  ).map((error) => {
    expect(error).toBeInstanceOf(SecretsError)
    expect(error.code).toBe('POLICY_INVALID')
    expect(canariesIn(error.format(), [value])).toEqual([])
    return error.message
  })

describe('a policy that shows what it hides', () => {
  it('names both names, and keys of documents', () => {
    expect(check({ A: value, B: 'else' }, { S: ` ${value}\n`, T: canary() })).toEqual([
      'A and S have the same value, but only A is in the client list.',
    ])
    expect(check({ db: { user: 'u', keys: [{ k: value }] } }, { S: value })).toEqual([
      'db.keys.0.k and S have the same value, but only db.keys.0.k is in the client list.',
    ])
    expect(check({ URL: `https://x/?k=${value}` }, { S: value })).toEqual([
      'URL is in the client list and holds the value of S, which is not.',
    ])
    expect(check({ URL: `https://x/?k=${value}` }, { S: value }, false)).toEqual([])
    expect(check({ A: value }, { S: value }, false)).toHaveLength(1)
  })

  it('does not mind what many names have', () => {
    for (const common of ['3000', 'true', '', 'production', 'localhost', '127.0.0.1', 'us-east-1'])
      expect(check({ A: common, URL: `x${common}` }, { S: common })).toEqual([])
    expect(check({ A: canary() }, { S: canary() })).toEqual([])
  })

  it('stops a build before it begins', async () => {
    const project = await makeProject(
      { 'index.html': '<script type="module" src="/src/main.ts"></script>', 'src/main.ts': '' },
      { MAPS_KEY: value, TOKEN: value, PORT: '3000', API_PORT: '3000' },
    )
    try {
      const config = fromLocal(['MAPS_KEY', 'TOKEN', 'PORT', 'API_PORT'], { client: ['MAPS_KEY', 'PORT'] })
      const said = await failure(buildClient(project, config))
      expect(said).toContain(
        'MAPS_KEY and TOKEN have the same value, but only MAPS_KEY is in the client list.',
      )
      expect(said).not.toContain('PORT')
      expect(canariesIn(said, [value])).toEqual([])
    } finally {
      project.remove()
    }
  })
})
