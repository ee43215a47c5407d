import type { ScanProblem } from './files.ts'
import type { Finding } from './types.ts'

/** What a report is made of. */
export interface SarifInput {
  readonly findings: readonly Finding[]
  /** Files that were not, or not wholly, looked at. */
  readonly problems: readonly ScanProblem[]
  /** What stands before the paths of both, so that they are relative to the repository. */
  readonly base: string
  readonly version: string
}

const RULE = 'server-value'
const HELP =
  'Find out how the value came there: an import in client code, a `define`, a prerendered page, a copied file. ' +
  'If the files have left this machine, rotate the secret. If browsers may see it, add its name to `client`.'

/** Findings in the Static Analysis Results Interchange Format 2.1.0 (OASIS), as code hosts take it. */
export function toSarif({ findings, problems, base, version }: SarifInput): object {
  const uri = (path: string): string => uriOf(base === '' ? path : `${base}/${path}`)
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'unplugin-secrets',
            semanticVersion: version,
            rules: [
              {
                id: RULE,
                name: 'ServerValueInFile',
                shortDescription: { text: 'A value that only servers may have stands in a file.' },
                help: { text: HELP },
                defaultConfiguration: { level: 'error' },
                properties: { tags: ['security'], 'security-severity': '9.0' },
              },
            ],
          },
        },
        columnKind: 'utf16CodeUnits',
        invocations: [
          {
            executionSuccessful: problems.length === 0,
            toolExecutionNotifications: problems.map(({ path, reason }) => ({
              level: 'error',
              message: { text: `${path} ${reason}.` },
              locations: [{ physicalLocation: { artifactLocation: { uri: uri(path) } } }],
            })),
          },
        ],
        results: findings.map((finding) => resultOf(finding, uri)),
      },
    ],
  }
}

function resultOf({ name, asset, line, column, encoding, origin }: Finding, uri: (path: string) => string) {
  const place = origin ? `, from ${origin.source}:${origin.line}:${origin.column}` : ''
  return {
    ruleId: RULE,
    ruleIndex: 0,
    level: 'error',
    message: { text: `The value of ${name} stands here (${encoding})${place}.` },
    locations: [
      {
        physicalLocation: {
          // `a.js (inline source map)`: the place is inside, the file is the one outside.
          artifactLocation: { uri: uri(asset.replace(/(?: \((?:inline source map|data URL)\))+$/, '')) },
          // Inside an unpacked or embedded file a line of the file itself would be another one.
          ...(encoding !== 'file name' && !/\)$|\.(?:gz|br)$/.test(asset)
            ? { region: { startLine: line, startColumn: column } }
            : {}),
        },
      },
    ],
    ...(origin && {
      relatedLocations: [
        {
          id: 1,
          message: { text: 'Where it was written' },
          physicalLocation: {
            artifactLocation: { uri: uriOf(origin.source) },
            region: { startLine: origin.line, startColumn: origin.column },
          },
        },
      ],
    }),
    properties: { secret: name, encoding },
  }
}

/** A path as a relative reference (RFC 3986); what already is an address (`webpack://…`) stays one. */
function uriOf(path: string): string {
  if (/^[a-z][a-z\d+.-]+:\/\//i.test(path)) return encodeURI(path)
  return path
    .replaceAll('\\', '/')
    .split('/')
    .map((part) => encodeURIComponent(part))
    .join('/')
}
