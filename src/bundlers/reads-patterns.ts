import { CLIENT_ID } from '../core/expose/ids.ts'
import { wordPattern } from '../core/mentions.ts'

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

/** A filter as Rolldown evaluates it by itself. Its helpers that make such would be one more file to load. */
export type Expression =
  | { readonly kind: 'include' | 'not'; readonly expr: Expression }
  | { readonly kind: 'and' | 'or'; readonly args: readonly Expression[] }
  | { readonly kind: 'id'; readonly pattern: RegExp; readonly params: object }
  | { readonly kind: 'code'; readonly pattern: string | RegExp }
const all = (...args: Expression[]): Expression => ({ kind: 'and', args })
const some = (...args: Expression[]): Expression => ({ kind: 'or', args })
const text = (pattern: string | RegExp): Expression => ({ kind: 'code', pattern })

/** Behind the object: anything but a plain member. */
const NO_MEMBER = '(?:[ \\t\\r\\n]*[^ \\t\\r\\n.A-Za-z0-9_$]|[ \\t\\r\\n]+[A-Za-z0-9_$]|[ \\t\\r\\n]*$)'
const META = String.raw`import[ \t\r\n]*\.[ \t\r\n]*meta`
/** `import.meta` or its `env` as a whole, optional, behind a comment, or where something is written or deleted. */
const NOT_PLAIN = new RegExp(
  [
    String.raw`import[ \t\r\n]*(?:\.[ \t\r\n]*)?\/`,
    String.raw`${META}(?:[ \t\r\n]*\.[ \t\r\n]*(?:\/|env${NO_MEMBER})|${NO_MEMBER})`,
    String.raw`(?:\+\+|--|delete)[ \t\r\n(]*${META}`,
  ].join('|'),
)
const ASSIGNS = String.raw`(?:[-+*/%&|^<>?!]{0,3}=[^=>]|\+\+|--)`
/** A member, and behind it what writes to it, also through a cast or from within a pattern. */
const WRITTEN = new RegExp(
  String.raw`env[ \t\r\n]*\.[ \t\r\n]*[A-Za-z0-9_$]+(?:[ \t\r\n)!]*(?:${[
    ASSIGNS,
    String.raw`(?:[\]},][^;]*)?[\]}][ \t\r\n]*\)?[ \t\r\n]*(?:=[^=>]|of[^A-Za-z0-9_$]|in[^A-Za-z0-9_$])`,
  ].join('|')})|[ \t\r\n)!]+(?:${[
    '(?:of|in)[^A-Za-z0-9_$]',
    String.raw`(?:as|satisfies)[ \t\r\n][^;=]*\)[ \t\r\n]*${ASSIGNS}`,
  ].join('|')}))`,
)

/**
 * The same where the bundler itself replaces `import.meta.env.NAME`: words first, since Rolldown finds a word many times
 * as fast as it tries a pattern, and patterns that are the same for all names, since making machines of them costs more
 * than the few modules that they are tried on.
 * @param replaced the names of which it does: only modules that do something else with them are looked at
 * @param except modules by their id. Rolldown takes longer for it than for a word, so it is asked for in between
 */
export function otherReads(
  names: readonly string[],
  replaced: ReadonlySet<string>,
  except: RegExp,
): Expression {
  const others = names.filter((name) => !replaced.has(name))
  const own = [...replaced].map(text)
  return all(
    // What has neither has no read, and no import that is looked at.
    some(text('meta'), text(CLIENT_ID)),
    { kind: 'not', expr: { kind: 'id', pattern: except, params: {} } },
    some(
      ...others.map(text),
      ...COMPUTED.map(text),
      ...(own.length > 0 ? [all(some(...own), some(text(NOT_PLAIN), text(WRITTEN)))] : []),
    ),
  )
}

function wordsOf(names: readonly string[]): RegExp[] {
  if (names.length === 0) return []
  return [new RegExp(names.map(wordPattern).join('|'))]
}
