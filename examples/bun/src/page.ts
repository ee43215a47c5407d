import { MAPS_KEY } from 'virtual:secrets/client'

const map = document.createElement('img')
map.alt = 'Map'
map.src = `https://maps.example.com/static?key=${encodeURIComponent(MAPS_KEY)}`
document.body.append(map)
