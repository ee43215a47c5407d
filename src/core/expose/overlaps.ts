import { SecretsError } from '../errors.ts'
import { leaves } from '../extract.ts'
import { reasonNotToScan } from '../scan/common.ts'
import type { Json } from '../types.ts'

/**
 * Values that the policy both shows and hides: a client name that has, or holds, the value of a server name.
 * Two ports `3000` are no contradiction; what is too short or too common to be looked for does not count.
 * @param options.parts whether a longer client value counts that holds a server value, as the scan would find it
 */
export function checkOverlaps(
  client: ReadonlyMap<string, Json | undefined>,
  server: readonly { readonly name: string; readonly text: string }[],
  { parts }: { parts: boolean },
): SecretsError[] {
  const hidden = server.map(({ name, text }) => ({ name, text: text.trim() }))
  return [...client].flatMap(([owner, value]) => {
    const shown: [string, string][] =
      typeof value === 'object' && value !== null
        ? leaves(owner, value).map(([path, part]) => [path, String(part)])
        : [[owner, String(value ?? '')]]
    return shown.flatMap(([name, text]) =>
      hidden
        .filter((secret) => (parts ? text.includes(secret.text) : text.trim() === secret.text))
        // Last, for its patterns are compiled when they are first used: hardly any start needs them.
        .filter((secret) => reasonNotToScan(secret.text) === undefined)
        .map((secret) => overlap(name, text, secret)),
    )
  })
}

function overlap(name: string, text: string, secret: { name: string; text: string }): SecretsError {
  const how =
    text.trim() === secret.text
      ? `${name} and ${secret.name} have the same value, but only ${name} is in the client list.`
      : `${name} is in the client list and holds the value of ${secret.name}, which is not.`
  return new SecretsError('POLICY_INVALID', how, {
    hint: `Browsers would see it. Give ${secret.name} a value of its own, add it to \`client\`, or take ${name} out.`,
  })
}
