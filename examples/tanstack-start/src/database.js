import { DATABASE_URL } from 'virtual:secrets/server'
import { createServerFn } from '@tanstack/react-start'

/**
 * Stands for a query: whoever calls learns that there is an address, not which one. The framework takes the
 * handler, and what only it imports, out of what browsers get.
 */
export const describe = createServerFn().handler(() => `an address of ${DATABASE_URL.length} characters`)
