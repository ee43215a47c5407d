import { SecretsError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'

/**
 * The checks behind the types, for configuration that never met a type checker (JSON, JavaScript).
 * Each rule is what the type says; `check` collects every mistake before anything is thrown.
 */
type Rule = { readonly expected: string; readonly test: (value: unknown) => boolean }

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const rule = (expected: string, test: (value: unknown) => boolean): Rule => ({ expected, test })

const text = rule('text', (value) => typeof value === 'string' && value !== '')
const flag = rule('true or false', (value) => typeof value === 'boolean')
const texts = rule(
  'a list of texts',
  (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
)
const object = rule('an object', isObject)
const oneOf = (...words: readonly string[]): Rule =>
  rule(words.map((word) => `'${word}'`).join(' or '), (value) => words.includes(value as string))
const or = (...rules: readonly Rule[]): Rule =>
  rule(rules.map((each) => each.expected).join(' or '), (value) => rules.some((each) => each.test(value)))
const disabled = rule('false', (value) => value === false)
const milliseconds = rule(
  'a number of milliseconds from 1 to 2147483647',
  // Above, timers fire at once.
  (value) => typeof value === 'number' && value >= 1 && value <= 2 ** 31 - 1,
)
const duration = rule(
  "a duration (ms or '5m')",
  (value) => typeof value === 'number' || typeof value === 'string',
)
const schema = rule('a Standard Schema', (value) => {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && '~standard' in value
})

const OVERLAY = { providers: object, import: texts, secrets: object, cache: or(object, disabled) }

const CONFIG: Record<string, Rule> = {
  ...OVERLAY,
  client: texts,
  server: oneOf('runtime', 'sealed'),
  consumer: oneOf('client', 'server'),
  environment: text,
  profile: text,
  profiles: object,
  processEnv: flag,
  replaceProcessEnv: flag,
  scan: or(flag, object),
  types: or(text, flag),
  manifest: or(text, flag),
  watch: or(object, disabled),
  timeout: milliseconds,
  sync: oneOf('startup', 'manual'),
  dashboard: or(flag, object),
  audit: text,
}
const DECLARATION: Record<string, Rule> = {
  from: text,
  template: text,
  mode: oneOf('plaintext', 'json'),
  schema,
  description: text,
  ttl: duration,
}
const storage = rule(
  'an unstorage storage or driver, or an object with its name as `driver`',
  (value) =>
    isObject(value) &&
    (typeof value.driver === 'string' ||
      (typeof value.getItem === 'function' && typeof value.setItem === 'function')),
)
const CACHE: Record<string, Rule> = {
  ttl: duration,
  maxStale: duration,
  directory: text,
  storage,
  staleOnAuthError: flag,
  staleWhileRevalidate: flag,
}
const SCAN: Record<string, Rule> = { exclude: texts }
const DASHBOARD: Record<string, Rule> = { remote: flag }
const WATCH: Record<string, Rule> = { interval: duration, providers: object }

function check(value: unknown, owner: string, rules: Record<string, Rule>): SecretsError[] {
  if (!isObject(value)) return [new SecretsError('CONFIG_INVALID', `${owner} must be an object.`)]
  return Object.entries(value).flatMap(([key, item]) => {
    const path = owner === '' ? key : `${owner}.${key}`
    const expected = Object.hasOwn(rules, key) ? rules[key] : undefined
    if (!expected) {
      return new SecretsError(
        'CONFIG_INVALID',
        `${path} is not a setting.${didYouMean(key, Object.keys(rules))}`,
        {
          hint: `Known here: ${Object.keys(rules).join(', ')}.`,
        },
      )
    }
    if (item === undefined || expected.test(item)) return []
    return new SecretsError('CONFIG_INVALID', `${path} must be ${expected.expected}.`)
  })
}

/** @returns every mistake in the shape of a configuration; never a value of it. */
export function checkShape(config: unknown): SecretsError[] {
  const problems = check(config, '', CONFIG)
  if (!isObject(config)) return problems
  problems.push(...checkParts(config, ''))
  if (isObject(config.scan)) problems.push(...check(config.scan, 'scan', SCAN))
  if (isObject(config.watch)) problems.push(...check(config.watch, 'watch', WATCH))
  if (isObject(config.dashboard)) problems.push(...check(config.dashboard, 'dashboard', DASHBOARD))
  if (isObject(config.profiles)) {
    for (const [name, overlay] of Object.entries(config.profiles)) {
      const owner = `profiles.${name}`
      problems.push(...check(overlay, owner, OVERLAY))
      if (isObject(overlay)) problems.push(...checkParts(overlay, `${owner}.`))
    }
  }
  return problems
}

/** What a configuration and a profile have in common. */
function checkParts(config: Record<string, unknown>, owner: string): SecretsError[] {
  const problems: SecretsError[] = []
  if (isObject(config.cache)) problems.push(...check(config.cache, `${owner}cache`, CACHE))
  if (!isObject(config.secrets)) return problems
  for (const [name, declared] of Object.entries(config.secrets)) {
    const path = `${owner}secrets.${name}`
    if (typeof declared === 'string' && declared !== '') continue
    if (!isObject(declared)) {
      problems.push(new SecretsError('CONFIG_INVALID', `${path} must be a reference or an object.`))
      continue
    }
    problems.push(...check(declared, path, DECLARATION))
    if ((declared.from === undefined) === (declared.template === undefined)) {
      problems.push(
        new SecretsError('CONFIG_INVALID', `${path} needs exactly one of \`from\` and \`template\`.`),
      )
    }
  }
  return problems
}
