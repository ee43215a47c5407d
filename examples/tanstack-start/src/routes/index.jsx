import { createFileRoute } from '@tanstack/react-router'
import { describe } from '../database.js'
import { StaticMap } from '../StaticMap.jsx'

export const Route = createFileRoute('/')({
  loader: async () => ({ database: await describe() }),
  component: Home,
})

function Home() {
  const { database } = Route.useLoaderData()
  return (
    <main>
      <p>Connected with {database}.</p>
      <StaticMap />
    </main>
  )
}
