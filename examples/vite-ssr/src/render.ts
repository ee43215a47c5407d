import { DATABASE_URL } from 'virtual:secrets/server'

/** Stands for a query: the page learns that there is an address, not which one. */
export const render = (): string => `<p>Connected with an address of ${DATABASE_URL.length} characters.</p>`
