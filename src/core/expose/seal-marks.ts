/** Texts that stand in a sealed server module until its output is known: in string literals, and unchanged by minifiers. */
export interface SealMarks {
  /** Becomes the sealed values. */
  readonly values: string
  /** Becomes the name. Where it stands, the name is needed. */
  readonly name: (name: string) => string
  /** Finds both, stamped or not; the first group is the name, or empty. */
  readonly pattern: RegExp
}

/** A mark of any configuration. */
export const SEAL_MARK = /__SECRETS_SEALED_[0-9a-f]{16}__:/

/** @param scope of the manifest: the same in every process that builds the same configuration */
export function sealMarks(scope: string): SealMarks {
  const token = `__SECRETS_SEALED_${scope}__`
  return {
    values: `${token}::`,
    name: (name) => `${token}:${name}:`,
    pattern: new RegExp(`${token}:([\\w$.-]*):(?:[0-9a-f]{16}~)?`, 'g'),
  }
}
