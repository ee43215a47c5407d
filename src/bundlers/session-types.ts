import { existsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { ResolvedConfig } from '../core/config/resolve.ts'
import { generateTypes } from '../core/expose/dts.ts'
import { defaultTypesFile, writeTypes } from '../core/expose/types-file.ts'
import type { Logger } from '../core/log.ts'

/** Writes the generated types where there is TypeScript to read them, and only when they changed. */
export async function writeSessionTypes(
  config: ResolvedConfig,
  names: readonly string[],
  logger: Logger,
): Promise<void> {
  const { types, root } = config
  if (types === false || (types === true && !existsSync(join(root, 'tsconfig.json')))) return
  const file = join(root, typeof types === 'string' ? types : defaultTypesFile(root))
  const text = generateTypes({ config, names, folder: dirname(file) })
  if (await writeTypes(file, text)) logger.debug(`wrote ${relative(root, file)}`)
}
