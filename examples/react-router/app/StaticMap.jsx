import { MAPS_KEY } from 'virtual:secrets/client'

const source = `https://maps.example.com/static?key=${encodeURIComponent(MAPS_KEY)}`

export const StaticMap = () => <img alt="Map" src={source} data-key={import.meta.env.MAPS_KEY} />
