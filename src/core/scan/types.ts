import type { KeyObject } from 'node:crypto'

/** A value that must not stand in a file. White space around it does not count. */
export interface ScanValue {
  readonly name: string
  readonly text: string
}

/** How a value was written where it was found. */
export type Encoding =
  | 'plain'
  | 'escaped'
  | 'escaped twice'
  | 'concatenated'
  | 'html entities'
  | 'percent'
  | 'base64'
  | 'base64url'
  | 'hex'
  | 'utf-16'
  | 'byte list'
  | 'reversed'
  | 'pem line'
  | 'file name'

/** Where a place in an emitted file came from, by its source map. */
export interface Origin {
  /** As the map says, resolved against the emitted file's own path; without any value that stood in it. */
  readonly source: string
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units. */
  readonly column: number
}

/** A place where a value stands; never the value. */
export interface Finding {
  readonly name: string
  readonly asset: string
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units, as editors count. */
  readonly column: number
  readonly encoding: Encoding
  /** Only where a map was asked and knew. */
  readonly origin?: Origin
}

/** A value that is not looked for, because it would be found everywhere. */
export interface Unscannable {
  readonly name: string
  readonly reason: string
}

export interface Scanner {
  /** To be shown: nothing guards these values. */
  readonly unscannable: readonly Unscannable[]
  /**
   * Looks through one file.
   * @param content the file's bytes, or the text whose UTF-8 they are.
   * @param asset how the file is called in findings.
   * @returns findings by place; at most 20 of one name, the first ones.
   */
  scan(content: Uint8Array | string, asset: string): Finding[]
  /** A text about to be shown (a path, an address), with `[NAME]` in the place of values in any form. */
  redact(text: string): string
  /**
   * The values of a name under a key, so that a change of the value can be told without keeping the value.
   * @returns hexadecimal HMAC-SHA256; without the key it cannot be guessed from a value.
   */
  fingerprint(name: string, key: KeyObject): string
  /**
   * How many bytes may lie between the beginning and the end of a value in any form: who scans piece by
   * piece must show so many of the last piece again with the next.
   */
  readonly reach: number
  /** How many bytes at the end of a piece could be the beginning of a value, as it is or in a form without escapes. */
  held(bytes: Uint8Array): number
}
