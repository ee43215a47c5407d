import { MAPS_KEY } from 'virtual:secrets/client'

export function App() {
  return <img alt="Map" src={`https://maps.example.com/static?key=${encodeURIComponent(MAPS_KEY)}`} />
}
