import { createHash, type KeyObject } from 'node:crypto'
import MagicString, { type SourceMap } from 'magic-string'
import { deriveKey, type SealLabel } from '../crypto/keys.ts'
import { sealRepeatably } from '../crypto/seal.ts'
import { sealMarks } from './seal-marks.ts'

/** What takes the place of one mark; offsets in the output's text, the end not included. */
export interface SealPlace {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** Fills the marks of a server output. */
export interface Sealer {
  /**
   * Puts the names in, and the values of just these, sealed. A pure function of the output's text: equal
   * secrets give equal bytes.
   * @returns nothing for an output without marks
   */
  seal(code: string, options: { map: boolean }): { code: string; map: SourceMap | null } | undefined
  /**
   * The same as places, for bundlers whose own sources follow replacements through maps.
   * @param uses whether code needs a value; without it a name that still stands is needed
   * @returns nothing for an output without marks
   */
  places(code: string, uses?: (name: string) => boolean): SealPlace[] | undefined
  /**
   * A module whose marks differ with what will take their place, for bundlers that take the hash of an output
   * before it can be sealed. Sealing takes the stamps away.
   */
  stamp(module: string): string
}

/**
 * Seals for one configuration.
 * @param secret `SECRETS_KEY` alone: what is sealed has to open on another machine
 * @param texts of the secrets that have a value
 */
export function createSealer(secret: KeyObject, scope: string, texts: ReadonlyMap<string, string>): Sealer {
  const label: SealLabel = { purpose: 'sealed', scope }
  const key = deriveKey(secret, label)
  const { pattern } = sealMarks(scope)
  const sealFor = (names: Iterable<string>): string => {
    const values = [...new Set(names)].sort().flatMap((name) => {
      const text = texts.get(name)
      return text === undefined ? [] : [[name, text] as const]
    })
    return sealRepeatably(Buffer.from(JSON.stringify(Object.fromEntries(values))), key, label).toString(
      'base64',
    )
  }
  const places: Sealer['places'] = (code, uses = () => true) => {
    const marks = [...code.matchAll(pattern)]
    if (marks.length === 0) return undefined
    const blob = sealFor(marks.flatMap(([, name]) => (name && uses(name) ? name : [])))
    return marks.map(({ 0: text, 1: name, index }) => {
      return { start: index, end: index + text.length, text: name || blob }
    })
  }
  return {
    stamp(module) {
      return module.replace(pattern, (mark, name: string) => {
        return name === ''
          ? mark
          : `${mark}${createHash('sha256')
              .update(sealFor([name]))
              .digest('hex')
              .slice(0, 16)}~`
      })
    },
    places,
    seal(code, { map }) {
      const found = places(code)
      if (!found) return undefined
      const magic = new MagicString(code)
      for (const { start, end, text } of found) magic.update(start, end, text)
      return { code: magic.toString(), map: map ? magic.generateMap({ hires: 'boundary' }) : null }
    },
  }
}
