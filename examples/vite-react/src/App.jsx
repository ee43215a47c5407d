import { MAPS_KEY } from 'virtual:secrets/client'

export function App() {
  return (
    <main>
      <h1>{import.meta.env.APP_TITLE}</h1>
      <img alt="Map" src={`https://maps.example.com/static?key=${encodeURIComponent(MAPS_KEY)}`} />
    </main>
  )
}
