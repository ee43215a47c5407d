/** What takes the place of reads: locals of the module, bound by an import of ours. */

/** A beginning that no identifier of the module has, so that nothing of the module can capture it. */
export function freePrefix(code: string): string {
  for (let tries = 0; ; tries++) {
    const prefix = `__secret${tries === 0 ? '' : tries}_`
    if (!code.includes(prefix)) return prefix
  }
}

/**
 * The import that binds the locals. It goes to the end, where it is hoisted from: `#!` and 'use client' must stay
 * first, and no line moves.
 * @param locals by name
 */
export function importOf(locals: ReadonlyMap<string, string>, from: string): string {
  const imports = [...locals].map(
    ([name, local]) => `${/^[\w$]+$/.test(name) ? name : JSON.stringify(name)} as ${local}`,
  )
  return `\nimport { ${imports.join(', ')} } from ${JSON.stringify(from)};\n`
}

/** Whether an import or re-export of the client module may name a secret that it does not have. */
export function namesOthers(
  statement: string,
  options: { readonly names: ReadonlySet<string>; exported(name: string): boolean },
): boolean {
  for (const name of options.names) if (!options.exported(name) && statement.includes(name)) return true
  return false
}
