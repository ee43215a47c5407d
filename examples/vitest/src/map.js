import { MAPS_KEY } from 'virtual:secrets/client'

export const mapUrl = () => `https://maps.example.com/static?key=${encodeURIComponent(MAPS_KEY)}`
export const hasKey = () => import.meta.env.MAPS_KEY === MAPS_KEY
