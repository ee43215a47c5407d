import type { Manifest } from '../core/expose/manifest.ts'
import type { Values } from './store.ts'
import { parseValue } from './value.ts'

type Texts = Readonly<Record<string, string>>

/** From texts to what code gets. @throws Error for a text that should be JSON and is not */
export function valuesOf(manifest: Manifest, texts: Texts): Values {
  return Object.fromEntries(
    Object.keys(manifest.secrets)
      .filter((name) => Object.hasOwn(texts, name))
      .map((name) => [name, parseValue(name, manifest.secrets[name]!.kind, texts[name]!)]),
  )
}

/**
 * The values after a change of some names. What is not there any more, or is no JSON any more, stays as it was
 * where code relies on it: a running server has nothing better.
 */
export function changedValues(
  manifest: Manifest,
  names: readonly string[],
  texts: Texts,
  before: Values,
  warn: (error: Error) => void,
): Values {
  const values: Record<string, unknown> = { ...before }
  for (const name of names) {
    const { kind, optional } = manifest.secrets[name]!
    try {
      if (Object.hasOwn(texts, name)) values[name] = parseValue(name, kind, texts[name]!)
      else if (optional) delete values[name]
    } catch (error) {
      warn(error as Error)
    }
  }
  return values
}
