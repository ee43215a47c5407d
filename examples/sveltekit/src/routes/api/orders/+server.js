import { json } from '@sveltejs/kit'
import { describe } from '#lib/database.server.js'

export const GET = () => json({ database: describe() })
