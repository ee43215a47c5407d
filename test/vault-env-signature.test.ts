import { Buffer } from 'node:buffer'
import * as crypto from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { signRequest, verifySignature } from '../src/core/crypto/vault-env.ts'

// Node's own function, watched: time cannot be measured here, what is called can.
vi.mock('node:crypto', async (original) => {
  const real = await original<typeof crypto>()
  return { ...real, timingSafeEqual: vi.fn(real.timingSafeEqual) }
})

test('digests are compared in constant time, as whole digests', () => {
  const [key, now] = [Buffer.alloc(32, 7), 1_700_000_000_000]
  const compare = vi.mocked(crypto.timingSafeEqual)
  const right = signRequest('{}', key, now)
  expect(verifySignature(right, '{}', key, now)).toBeDefined()
  const first = right.replace(/d=./, (found) => (found === 'd=0' ? 'd=1' : 'd=0'))
  const last = right.replace(/.$/, (found) => (found === '0' ? '1' : '0'))
  for (const wrong of [first, last]) expect(verifySignature(wrong, '{}', key, now)).toBeUndefined()
  expect(compare.mock.calls.map(([a, b]) => [a.byteLength, b.byteLength])).toEqual([
    [32, 32],
    [32, 32],
    [32, 32],
  ])
})
