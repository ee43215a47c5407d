import { createHash, type KeyObject } from 'node:crypto'
import MagicString, { type SourceMap } from 'magic-string'
import { deriveKey, type SealLabel } from '../crypto/keys.ts'
import { sealRepeatably } from '../crypto/seal.ts'
import { sealMarks } from './seal-marks.ts'

/** Fills the marks of a server output. */
export interface Sealer {
  /**
   * Puts the names in, and the values of just these, sealed. A pure function of the output's text: equal
   * secrets give equal bytes.
   * @returns nothing for an output without marks
   */
  seal(code: string, options: { map: boolean }): { code: string; map: SourceMap | null } | undefined
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
    seal(code, { map }) {
      const marks = [...code.matchAll(pattern)]
      if (marks.length === 0) return undefined
      const blob = sealFor(marks.flatMap(([, name]) => name || []))
      const magic = new MagicString(code)
      for (const { 0: text, 1: name, index } of marks) magic.update(index, index + text.length, name || blob)
      return { code: magic.toString(), map: map ? magic.generateMap({ hires: 'boundary' }) : null }
    },
  }
}
