import { describe } from '../database.server.js'

export const loader = () => Response.json({ database: describe() })
