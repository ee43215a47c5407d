import { SecretsError } from './errors.ts'
import { didYouMean } from './nearest.ts'
import { aliasesOf, ownerOf, type TemplatePart } from './template.ts'

/**
 * Default deny: a name reaches client code only when the `client` list names it. There is no pattern, no
 * prefix and no switch that widens it.
 */
export interface Policy {
  /** Names, or dot keys of a JSON secret, that client code may see. */
  readonly client: ReadonlySet<string>
  allows(name: string): boolean
}

export function createPolicy(client: readonly string[]): Policy {
  const set = new Set(client)
  return { client: set, allows: (name) => allowedBy(set, name) }
}

/**
 * `db` allows `db.username`; `db.username` allows neither `db` nor its other keys.
 * @param owner the secret that `name` is a part of, where it is known: with a secret of its own called
 *   `db.password`, the entry `db` says nothing about that one
 */
function allowedBy(client: ReadonlySet<string>, name: string, owner = ''): boolean {
  for (let end = name.length; end > 0 && end >= owner.length; end = name.lastIndexOf('.', end - 1)) {
    if (client.has(name.slice(0, end))) return true
  }
  return false
}

/** What a name may look like, so that it can be an export, a variable and a key of a reference. */
const NAME = /^(?!__proto__$)[A-Za-z_$][\w$.-]*$/

/** What is wrong with a name, if anything. */
export function checkName(name: string, where: string): SecretsError[] {
  if (NAME.test(name)) return []
  return [
    new SecretsError('CONFIG_INVALID', `${where} is not a usable name.`, {
      hint: 'A name starts with a letter, _ or $ and goes on with letters, digits, _, $, - and dots.',
    }),
  ]
}

/** What is wrong with the names and the client list, as far as it can be known before anything is fetched. */
export function checkNames(given: {
  declared: readonly string[]
  hasImports: boolean
  client: readonly string[]
}): SecretsError[] {
  const problems: SecretsError[] = []
  const declared = new Set(given.declared)
  for (const name of given.declared) problems.push(...checkName(name, `secrets.${name}`))
  for (const [index, entry] of given.client.entries()) {
    const where = `client[${index}]`
    if (entry === '') problems.push(new SecretsError('POLICY_INVALID', `${where} is empty.`))
    else if (/[*?[\]{}]/.test(entry)) {
      problems.push(
        new SecretsError(
          'POLICY_INVALID',
          `${where} is the pattern ${entry}; the client list takes names only.`,
          {
            hint: 'Name each secret that a browser may see. A pattern would let through what is added later.',
          },
        ),
      )
    } else if (!given.hasImports && !declared.has(entry)) problems.push(...unmatched([entry], given.declared))
  }
  return problems
}

/** Entries of the client list that no name stands behind, once all names are known. */
export function unmatched(client: readonly string[], names: readonly string[]): SecretsError[] {
  const known = new Set(names)
  return client
    .filter((entry) => !known.has(entry) && !names.some((name) => entry.startsWith(`${name}.`)))
    .map(
      (entry) =>
        new SecretsError(
          'POLICY_INVALID',
          `client names ${entry}, which is no declared secret.${didYouMean(entry, names)}`,
          {
            hint: 'Mend the name, or take it out of the list.',
          },
        ),
    )
}

/** Names that a bundler would hand to the browser by its own prefix rule though the policy does not. */
export function checkPrefixes(
  names: readonly string[],
  policy: Policy,
  prefixes: readonly string[],
): SecretsError[] {
  return names.flatMap((name) => {
    const prefix = prefixes.find((candidate) => candidate !== '' && name.startsWith(candidate))
    if (prefix === undefined || policy.allows(name)) return []
    return new SecretsError(
      'POLICY_INVALID',
      `${name} is not in the client list, but its prefix ${prefix} would show it to browsers all the same.`,
      { hint: `Rename it without ${prefix}, or add it to \`client\` when browsers may see it.` },
    )
  })
}

/** A template that browsers may see carries what it is made of there, so that must be allowed as well. */
export function checkTemplates(
  templates: ReadonlyMap<string, readonly TemplatePart[]>,
  client: readonly string[],
  isName: (name: string) => boolean,
): SecretsError[] {
  const set = new Set(client)
  return [...templates].flatMap(([name, template]) => {
    // One key of a JSON template is enough: what it is made of cannot be told apart.
    if (!allowedBy(set, name) && !client.some((entry) => entry.startsWith(`${name}.`))) return []
    return [...new Set(aliasesOf(template))]
      .filter((alias) => !allowedBy(set, alias, ownerOf(alias, isName)))
      .map(
        (alias) =>
          new SecretsError(
            'POLICY_INVALID',
            `${name} is in the client list, but its template holds ${alias}, which is not.`,
            {
              hint: `Add ${alias} to \`client\` if browsers may see it, or take ${name} out.`,
            },
          ),
      )
  })
}
