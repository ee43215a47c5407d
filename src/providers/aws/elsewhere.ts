import { setMaxListeners } from 'node:events'
import type { ProviderContext } from '../../core/types.ts'
import { describeSecret } from './describe.ts'
import type { AwsOptions } from './options.ts'
import { createSession } from './session.ts'

/** Those that an account has without asking for more. */
const REGIONS = [
  ...['us-east-1', 'us-east-2', 'us-west-1', 'us-west-2', 'ca-central-1', 'sa-east-1'],
  ...['eu-central-1', 'eu-west-1', 'eu-west-2', 'eu-west-3', 'eu-north-1'],
  ...['ap-northeast-1', 'ap-northeast-2', 'ap-northeast-3', 'ap-south-1', 'ap-southeast-1', 'ap-southeast-2'],
]

/** The regions in which there is a secret of this name, for the same login. What cannot be known counts as none. */
export async function regionsOf(
  path: string,
  options: AwsOptions,
  region: string,
  context: ProviderContext,
): Promise<string[]> {
  // An ARN says where it is.
  if (path.startsWith('arn:')) return []
  // Each of them listens.
  setMaxListeners(0, context.signal)
  const others = REGIONS.filter((each) => each !== region)
  const found = await Promise.all(
    others.map(async (other) => {
      const session = createSession({ ...options, region: other })
      try {
        return (await describeSecret(session, path, context)) ? [other] : []
      } catch {
        return []
      } finally {
        session.close()
      }
    }),
  )
  return found.flat()
}
