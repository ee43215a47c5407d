import { namePattern, wordPattern } from '../core/mentions.ts'

/**
 * Which modules are looked at, as few as can be told without parsing: in patterns that native filters run in linear
 * time. Each begins with what can be searched for; together, or behind a `\b`, they cost Rolldown ten times as much.
 */

/** A key that is computed: `env[key]`, or in a pattern that takes the object apart. */
const COMPUTED = [
  /env\s*(?:[^\n;=[]{0,80}[)!]\s*)?(?:\?\.)?\s*\[/,
  /\}(?:\s*:[^=;]{0,80})?\s*=\s*[(<]?[^=;]{0,40}\bimport\s*\.\s*meta/,
]
const NOTHING = [/[^\s\S]/]

/** Modules in which a name stands, or that compute a key. */
export function readsPatterns(names: readonly string[]): RegExp[] {
  return names.length === 0 ? NOTHING : [...wordsOf(names), ...COMPUTED]
}

/** Behind the object: anything but a plain member. */
const NO_MEMBER = String.raw`(?:[ \t\r\n]*[^ \t\r\n.\w$]|[ \t\r\n]+[\w$]|[ \t\r\n]*$)`.replaceAll(
  String.raw`\w`,
  'A-Za-z0-9_',
)
const META = String.raw`import[ \t\r\n]*\.[ \t\r\n]*meta`
/** `import.meta` or its `env` as a whole, optional, behind a comment, or where something is written or deleted. */
const NOT_PLAIN = [
  String.raw`import[ \t\r\n]*(?:\.[ \t\r\n]*)?\/`,
  String.raw`${META}(?:[ \t\r\n]*\.[ \t\r\n]*(?:\/|env${NO_MEMBER})|${NO_MEMBER})`,
  String.raw`(?:\+\+|--|delete)[ \t\r\n(]*${META}`,
].join('|')
const ASSIGNS = String.raw`(?:[-+*/%&|^<>?!]{0,3}=[^=>]|\+\+|--)`
/** Behind a member: what writes to it, also through a cast or from within a pattern. */
const WRITTEN = [
  ASSIGNS,
  '(?:of|in)[^A-Za-z0-9_$]',
  String.raw`(?:as|satisfies)[ \t\r\n][^;=]*\)[ \t\r\n]*${ASSIGNS}`,
  String.raw`(?:[\]},][^;]*)?[\]}][ \t\r\n]*\)?[ \t\r\n]*(?:=[^=>]|of[^A-Za-z0-9_$]|in[^A-Za-z0-9_$])`,
].join('|')

/**
 * The same where the bundler itself replaces `import.meta.env.NAME`.
 * @param replaced the names of which it does: only modules that do something else with them are looked at
 */
export function otherReadsPatterns(names: readonly string[], replaced: ReadonlySet<string>): RegExp[] {
  if (replaced.size === 0) return readsPatterns(names)
  const name = `(?:${[...replaced].map(namePattern).join('|')})`
  return [
    ...wordsOf(names.filter((other) => !replaced.has(other))),
    ...COMPUTED,
    new RegExp(String.raw`${name}[\s\S]*(?:${NOT_PLAIN})|(?:${NOT_PLAIN})[\s\S]*${name}`),
    new RegExp(String.raw`env[ \t\r\n]*\.[ \t\r\n]*${name}[ \t\r\n)!]*(?:${WRITTEN})`),
  ]
}

function wordsOf(names: readonly string[]): RegExp[] {
  if (names.length === 0) return []
  return [new RegExp(names.map(wordPattern).join('|'))]
}
