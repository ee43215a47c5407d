/**
 * What a server with sealed values carries where there is no Node: the same in JavaScript, by noble, because
 * WebCrypto would make the module wait.
 *
 * @module
 */
/*! noble-hashes - MIT License (c) 2022 Paul Miller (paulmillr.com) */
import { gcm } from '@noble/ciphers/aes.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { type Sealed, sealedValues } from './sealed.ts'

export { take } from './sealed.ts'

/** @param text the sealed values, in base64 */
export function open(scope: string, text: string): Sealed {
  return sealedValues(scope, text, () => ({
    sha256,
    hmac: (key, data) => hmac(sha256, key, data),
    hkdf: (key, salt, info) => hkdf(sha256, key, salt, info, 32),
    decrypt: (key, nonce, header, sealed) => gcm(key, nonce, header).decrypt(sealed),
  }))
}
