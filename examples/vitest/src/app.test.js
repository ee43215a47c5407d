import { expect, test, vi } from 'vitest'
import { describe, isSame } from './database.js'
import { hasKey, mapUrl } from './map.js'

test('has what browsers may see', () => {
  expect(mapUrl()).toMatch(/^https:\/\/maps\.example\.com\/static\?key=.+/)
  expect(hasKey()).toBe(true)
})

test('has what only the server may see', () => {
  expect(describe()).toMatch(/^an address of \d+ characters$/)
  expect(isSame()).toBe(true)
})

test('takes a value of its own', async () => {
  vi.doMock('virtual:secrets/server', () => ({ DATABASE_URL: 'postgres://test' }))
  vi.resetModules()
  const { describe } = await import('./database.js')
  expect(describe()).toBe('an address of 15 characters')
})
