import { describe } from '../../../lib/database.js'

export const dynamic = 'force-dynamic'
export const GET = () => Response.json({ database: describe() })
