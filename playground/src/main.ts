import { MAPS_KEY } from 'virtual:secrets/client'

const show = (term: string, text: string): void => {
  const list = document.querySelector('#app')!
  list.append(Object.assign(document.createElement('dt'), { textContent: term }))
  list.append(Object.assign(document.createElement('dd'), { textContent: text, id: term }))
}

show('maps', MAPS_KEY)
show('api', import.meta.env.API_URL)

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
worker.onmessage = ({ data }) => show('worker', data)
