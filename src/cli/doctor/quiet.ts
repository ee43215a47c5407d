import { consoleLogger, type Logger } from '../../core/log.ts'

/** What would be warned of has a line of its own. */
export const quiet: Logger = { ...consoleLogger, warn() {} }
