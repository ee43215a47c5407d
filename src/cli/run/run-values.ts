import { SecretsError } from '../../core/errors.ts'
import { leaves } from '../../core/extract.ts'
import type { Policy } from '../../core/policy.ts'
import { Secret } from '../../core/redact.ts'
import type { Snapshot } from '../../core/snapshot.ts'
import type { Json } from '../../core/types.ts'

export type Texts = Readonly<Record<string, string>>

/** What a program is given, by name. An optional secret may have no value. */
export function textsOf(snapshot: Snapshot, only: readonly string[]): Texts {
  const names = only.length > 0 ? only : snapshot.names()
  return Object.fromEntries(
    names.flatMap((name) => {
      const secret = snapshot.get(name)
      return secret ? [[name, secret.reveal()]] : []
    }),
  )
}

/** @throws SecretsError for what no environment can hold; Node's own error would quote the value */
export function checkVariables(texts: Texts): void {
  for (const [name, value] of Object.entries(texts)) {
    if (!/[=\0]/.test(name) && name !== '' && !value.includes('\0')) continue
    const what = value.includes('\0') ? 'holds a NUL byte' : 'is not a name for a variable'
    throw new SecretsError('WRONG_TYPE', `${JSON.stringify(name)} cannot be a variable: it ${what}.`, {
      hint: 'Leave it out with --only.',
    })
  }
}

/**
 * What is masked: every value that browsers may not see anyway, and of JSON documents the texts in them
 * (numbers and flags are in any output).
 */
export function maskedSecrets(snapshot: Snapshot, names: readonly string[], policy: Policy): Secret[] {
  return names.flatMap((name) => {
    if (policy.allows(name)) return []
    const whole = snapshot.get(name)!
    if (snapshot.meta(name)?.kind !== 'json') return [whole]
    const texts = leaves(name, JSON.parse(whole.reveal()) as Json).flatMap(([path, value]) => {
      return typeof value === 'string' && !policy.allows(path) ? [new Secret(path, value)] : []
    })
    return [whole, ...texts]
  })
}
