/**
 * What a server with sealed values carries where there is Node's crypto. It imports nothing: the module is
 * asked for when it is needed, so the bundle also loads where it is not there.
 *
 * @module
 */
import { type Primitives, type Sealed, sealedValues } from './sealed.ts'
import { startError } from './value.ts'

export { take } from './sealed.ts'

/** @param text the sealed values, in base64 */
export function open(scope: string, text: string): Sealed {
  return sealedValues(scope, text, nodePrimitives)
}

const TAG_BYTES = 16

function nodePrimitives(): Primitives {
  const crypto = globalThis.process?.getBuiltinModule?.('node:crypto')
  if (!crypto) {
    throw startError(
      '[secrets] This runtime has no node:crypto, and the bundle was made for Node. Build it for a worker or edge target.',
    )
  }
  return {
    sha256: (data) => crypto.createHash('sha256').update(data).digest(),
    hmac: (key, data) => crypto.createHmac('sha256', key).update(data).digest(),
    hkdf: (key, salt, info) => new Uint8Array(crypto.hkdfSync('sha256', key, salt, info, 32)),
    decrypt(key, nonce, header, sealed) {
      const end = sealed.length - TAG_BYTES
      const decipher = crypto.createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(header)
      decipher.setAuthTag(sealed.subarray(end))
      const plain = decipher.update(sealed.subarray(0, end))
      decipher.final()
      return plain
    },
  }
}
