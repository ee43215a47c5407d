import { randomBytes } from 'node:crypto'

/** 256 bits, in letters that an address may have. */
export function createToken(): string {
  return randomBytes(32).toString('base64url')
}
