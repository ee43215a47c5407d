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

/** A place where a value stands; never the value. */
export interface Finding {
  readonly name: string
  readonly asset: string
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units, as editors count. */
  readonly column: number
  readonly encoding: Encoding
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
   * Looks through one file's bytes.
   * @param asset how the file is called in findings.
   * @returns findings by place; at most 20 of one name, the first ones.
   */
  scan(bytes: Uint8Array, asset: string): Finding[]
}
