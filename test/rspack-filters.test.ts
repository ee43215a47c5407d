import { describe, expect, it } from 'vitest'
import { codeFilter, WATCH_FILTER } from '../src/bundlers/rspack-filters.ts'

/** What Rspack is told to look for in modules, in its own engine, which has JavaScript's patterns. */
describe('the filter of the rule', () => {
  const names = ['API_URL', 'DB_PASSWORD', 'odd-name', '$dollar']
  const filter = codeFilter(names, ['DB_PASSWORD', 'odd-name'], true)!

  it.each([
    'use(import.meta.env.MODE)',
    'use(import.meta.env?.MODE, import.meta?.env.MODE)',
    'use(import.meta.env.API_URLS, import.meta.env.$dollars)',
    'use(import.meta.url, import.meta.environment)',
    'use(import . meta\n  .env . MODE)',
    'const API_URL = "API_URL"; use(API_URL, import.meta.url)',
    'use({ meta: { env: 1 } }, route.meta.env, metadata, API_URL)',
    'import { meta } from "./meta.js"; use(meta, "API_URL")',
    'import { API_URL } from "virtual:secrets/client"; use(API_URL)',
    'import { DB_PASSWORD } from "virtual:secrets/server"; use(DB_PASSWORD)',
    'use(process.env.NODE_ENV, process.cwd(), processed)',
  ])('leaves alone: %s', (code) => {
    expect(filter.test(code)).toBe(false)
  })

  it.each([
    'use(import.meta.env.API_URL)',
    'use(import . meta\n  .env . API_URL)',
    'use(import.meta.env?.API_URL)',
    'use(import.meta?.env.API_URL)',
    'use(import.meta.env.$dollar)',
    'use(import.meta.env["odd-name"])',
    'use(import.meta.env[key])',
    'use(import.meta["env"].API_URL)',
    'use(import.meta.\\u0065nv.API_URL)',
    'use(import.meta.env.\\u0041PI_URL)',
    'use((import.meta.env).API_URL)',
    'use((import.meta).env.API_URL)',
    'use(import.meta.env /* here */ .API_URL)',
    'use(import.meta.env. /* here */ API_URL)',
    'use(import /* here */ .meta.env.API_URL)',
    'use(import. /* here */ meta.env.API_URL)',
    'use(import. // here\n meta.env.API_URL)',
    'use(import // here\n .meta.env.API_URL)',
    'use(import.meta. /* here */ env.API_URL)',
    'const { API_URL } = import.meta.env',
    'const { env } = import.meta; use(env.API_URL)',
    'use("API_URL" in import.meta.env)',
    'use(import.meta.env.MODE, import.meta.env)',
    'import.meta.env.API_URL = 1',
    'use(import.meta.env.DB_PASSWORD)',
    'import { DB_PASSWORD } from "virtual:secrets/client"',
    'import * as all from "virtual:secrets/client"; use(all.DB_PASSWORD)',
    'use(process.env.API_URL)',
    'use(process.env["API_URL"])',
    'const { API_URL } = process.env',
    'const { env } = process',
  ])('takes: %s', (code) => {
    expect(filter.test(code)).toBe(true)
    expect(WATCH_FILTER.test(code)).toBe(true)
  })

  it('does not look for process where it is nobody’s, nor at all where there is no name', () => {
    expect(codeFilter(names, [], false)!.test('use(process.env.API_URL)')).toBe(false)
    expect(codeFilter([], [], true)).toBeUndefined()
    // A watching build may have more names in a moment.
    expect(WATCH_FILTER.test('use(import.meta.env.LATER)')).toBe(true)
    expect(WATCH_FILTER.test('use(import.meta.url, process.cwd())')).toBe(false)
  })
})
