const map = document.createElement('img')
map.alt = 'Map'
map.src = `https://maps.example.com/static?key=${encodeURIComponent(import.meta.env.MAPS_KEY)}`
document.body.append(map)
