import type { DocumentMetadata, ProviderContext } from '../../core/types.ts'
import { describeSecret } from './describe.ts'
import { objectsIn } from './pages.ts'
import type { Session } from './session.ts'

/** AWS keeps tags where other places have custom metadata. */
export async function metadataOf(
  session: Session,
  path: string,
  context: ProviderContext,
): Promise<DocumentMetadata | undefined> {
  const found = await describeSecret(session, path, context)
  if (!found) return undefined
  const tags = objectsIn(found.Tags).flatMap(({ Key, Value }) =>
    Key === undefined ? [] : [[Key, Value ?? ''] as const],
  )
  return {
    custom: Object.fromEntries(tags),
    description: found.Description,
    createdAt: found.CreatedDate?.getTime(),
    updatedAt: found.LastChangedDate?.getTime(),
  }
}

/** Sets tags; an empty text takes one away. */
export async function annotateSecret(
  session: Session,
  { path, custom }: { readonly path: string; readonly custom: Readonly<Record<string, string>> },
  context: ProviderContext,
): Promise<void> {
  const Tags = Object.entries(custom).flatMap(([Key, Value]) => (Value === '' ? [] : [{ Key, Value }]))
  const TagKeys = Object.keys(custom).filter((key) => custom[key] === '')
  if (Tags.length > 0)
    await session.call(context, { action: 'TagResource', path }, (api, options) =>
      api.tagResource({ SecretId: path, Tags }, options),
    )
  if (TagKeys.length > 0)
    await session.call(context, { action: 'UntagResource', path }, (api, options) =>
      api.untagResource({ SecretId: path, TagKeys }, options),
    )
}
