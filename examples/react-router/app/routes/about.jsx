import { DATABASE_URL } from 'virtual:secrets/server'

// Runs when the build prerenders the page.
export const loader = () => ({ database: `an address of ${DATABASE_URL.length} characters` })

export default function About({ loaderData }) {
  return <p>Connected with {loaderData.database}.</p>
}
