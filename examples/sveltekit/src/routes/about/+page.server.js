import { describe } from '#lib/database.server.js'

// Rendered by the build, in a thread of its own.
export const prerender = true
export const load = () => ({ database: describe() })
