import { describe } from '../database.server.js'
import { StaticMap } from '../StaticMap.jsx'

// The framework takes loaders, and what only they import, out of what browsers get.
export const loader = () => ({ database: describe() })

export default function Home({ loaderData }) {
  return (
    <main>
      <p>Connected with {loaderData.database}.</p>
      <StaticMap />
    </main>
  )
}
