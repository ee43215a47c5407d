import { fileURLToPath } from 'node:url'

/** A file of the runtime beside this one: built, or its source where the plugin runs from source. */
export function runtimeFile(name: string): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return fileURLToPath(new URL(`../runtime/${name}.${extension}`, import.meta.url))
}
/** What `virtual:secrets/runtime` is, unless values are sealed. */
export const RUNTIME_FILE = runtimeFile('index')
