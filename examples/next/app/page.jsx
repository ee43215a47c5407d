import { connection } from 'next/server'
import { describe } from '../lib/database.js'
import { StaticMap } from './StaticMap.jsx'

export default async function Home() {
  // Rendered at each request.
  await connection()
  return (
    <main>
      <p>Connected with {describe()}.</p>
      <StaticMap />
    </main>
  )
}
