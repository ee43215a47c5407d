import type { ReadRequest } from '../../core/types.ts'

/** `arn:partition:secretsmanager:region:account:secret:name`, the six random characters at the end or not. */
const ARN = /^arn:[\w-]+:secretsmanager:([\w-]+):\d+:secret:.+$/

/** The region in an ARN of a secret, `undefined` for a name. */
export function regionOf(path: string): string | undefined {
  return ARN.exec(path)?.[1]
}

/** The partition that a region belongs to, the second part of every ARN. */
export function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn'
  if (region.startsWith('us-gov-')) return 'aws-us-gov'
  if (region.startsWith('eusc-')) return 'aws-eusc'
  const isolated = /^[a-z]+-(iso[a-z]?)-/.exec(region)?.[1]
  return isolated === undefined ? 'aws' : `aws-${isolated.replace(/(?<=iso)(?=[a-z])/, '-')}`
}

/** `Resource` of an IAM policy: the ARN, or the pattern for a name, whose last characters AWS chooses. */
export function resourceOf(path: string, region: string, account = '*'): string {
  if (!path.startsWith('arn:'))
    return `arn:${partitionOf(region)}:secretsmanager:${region}:${account}:secret:${path}-??????`
  return /-\w{6}$/.test(path) ? path : `${path}-??????`
}

/**
 * What is wrong with a path and its options, for the provider's `validate`.
 * @param region the provider's, as far as known
 */
export function problemOf(request: ReadRequest, region: string | undefined): string | undefined {
  const { path, options } = request
  if (path.trim() === '') return 'the name of the secret is empty'
  if (path.startsWith('arn:')) {
    const own = regionOf(path)
    if (!own) return 'the ARN is not that of a secret (arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME)'
    if (region !== undefined && own !== region)
      return `the ARN is in the region ${own}, but the provider reads from ${region}`
  }
  for (const name of Object.keys(options)) {
    if (name !== 'stage' && name !== 'version')
      return `AWS Secrets Manager knows no option ${name}; there is stage (AWSCURRENT, AWSPREVIOUS, …) and version (a version id)`
    if (options[name] === '') return `the option ${name} is empty`
  }
  if (options.stage !== undefined && options.version !== undefined)
    return 'stage and version cannot be asked for together'
  return undefined
}

/** Whether a batch can answer it: batches know the current version only. */
export function isCurrent({ options }: ReadRequest): boolean {
  return options.version === undefined && (options.stage === undefined || options.stage === 'AWSCURRENT')
}

/**
 * Whether an answer is the one to what was asked. AWS answers with the name and the full ARN, whichever
 * way the secret was asked for.
 */
export function answers(asked: string, name: string | undefined, arn: string | undefined): boolean {
  if (!asked.startsWith('arn:')) return asked === name
  if (arn === undefined) return false
  return asked === arn || (arn.startsWith(`${asked}-`) && arn.length === asked.length + 7)
}
