/** What `%NAME%` in HTML turned out to mean. */
export interface HtmlReads {
  readonly html: string
  /** Managed names that browsers may not see, with their offsets in the HTML as it was. */
  readonly denied: readonly { readonly name: string; readonly start: number }[]
}

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/**
 * Fills `%NAME%` for allowed names; other percent signs are left alone. The value is escaped for text and
 * quoted attributes. Inside a script an entity would stay an entity, so there code reads
 * `import.meta.env.NAME` instead.
 */
export function fillHtml(
  html: string,
  names: ReadonlySet<string>,
  textOf: (name: string) => string | undefined,
): HtmlReads {
  const denied: { name: string; start: number }[] = []
  const filled = html.replace(/%([A-Za-z_$][\w$.-]*)%/g, (whole, name: string, start: number) => {
    if (!names.has(name)) return whole
    const value = textOf(name)
    if (value !== undefined) return value.replace(/[&<>"']/g, (char) => ESCAPES[char]!)
    denied.push({ name, start })
    return whole
  })
  return { html: filled, denied }
}
