import { describe } from '#lib/database.server.js'

export const load = () => ({ database: describe() })
