import { DATABASE_URL } from 'virtual:secrets/server'
import { createFileRoute } from '@tanstack/react-router'

export const Route = createFileRoute('/api/orders')({
  server: {
    handlers: {
      GET: () => Response.json({ database: `an address of ${DATABASE_URL.length} characters` }),
    },
  },
})
