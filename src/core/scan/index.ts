export {
  type Accepted,
  BASELINE_FILE,
  type BaselineScope,
  updateBaseline,
  withoutAccepted,
} from './baseline.ts'
export {
  assetReader,
  type FolderScan,
  matcher,
  type ScanFolderOptions,
  type ScanProblem,
  scanFolder,
} from './files.ts'
export { type ReadAsset, traceFindings } from './origin.ts'
export { formatFindings } from './report.ts'
export { createScanner } from './scanner.ts'
export { StreamScan } from './stream.ts'
export type { Encoding, Finding, Origin, Scanner, ScanValue, Unscannable } from './types.ts'
