import { describe } from '../../lib/database.js'

export const prerender = false
export const GET = () => Response.json({ database: describe() })
