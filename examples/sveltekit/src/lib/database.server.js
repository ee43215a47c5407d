import { DATABASE_URL } from 'virtual:secrets/server'

/** Stands for a query: whoever calls learns that there is an address, not which one. */
export const describe = () => `an address of ${DATABASE_URL.length} characters`
