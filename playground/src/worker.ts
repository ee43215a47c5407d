// A worker is client code: it gets what the client list allows, and nothing else.
postMessage(`asks ${import.meta.env.API_URL}`)
