/** Shorter forms stand in any bundle by chance. */
const SHORTEST_VALUE = 8

/** Words of eight bytes or more that stand in many bundles and are nobody's secret. */
const WORDS = `
  administrator anonymous application application/json changeit changeme client_secret connection credential
  credentials database default-value development disabled documentation elasticsearch encryption environment
  example.com example.org firebase function hello-world helloworld https:// information internal javascript
  localhost localstack master-key masterkey memcached minioadmin mongodb:// multipart my-secret my-secret-key
  my_secret mypassword mysecret mysqladmin no-cache no-store optional p@ssw0rd passphrase passw0rd password
  password1 permission placeholder postgres postgres:// postgresql preproduction private-key private_key
  privatekey production public-key public_key publickey qwertyui qwertyuiop rabbitmq read-only readonly
  readwrite redacted redis:// replace-me replace_me replaceme required same-origin sameorigin same-site
  secret-key secret_key secretkey security services settings standard super-secret supersecret superuser
  test-key test-token testing1 testing123 text/html text/plain typescript undefined username wordpress
`

/**
 * In small letters. One pattern, because making one costs a start as much as asking it a hundred times: a stretch of the digits
 * or the alphabet, alone or after `password`; this machine; a cloud region; a version, a round number, a date; what an
 * example file leaves to be filled in.
 */
const COMMON = new RegExp(
  `^(?:${[
    /(?:password)?0?12345?6?7?8?9?0?/,
    /abcdefgh[a-z]*/,
    /(?:[a-z]+:\/\/)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[?::1\]?)(?::\d+)?\/?/,
    /(?:us-gov|[a-z]{2})-(?:central|(?:north|south)?(?:east|west)?)-?\d[a-z]?/,
    /v?\d+\.\d+\.\d+/,
    /\d0+/,
    /(?:19|20)\d\d-?[01]\d-?[0-3]\d/,
    /[<[{$]*your[-_ ][a-z_ -]*[>\]}]*/,
  ]
    .map(({ source }) => source)
    .join('|')})$`,
)

/**
 * Why a value cannot be looked for: it would be found in files that do not leak it.
 * @returns `undefined` when it can.
 */
export function reasonNotToScan(text: string): string | undefined {
  const value = text.trim()
  if (value === '') return 'empty'
  if (Buffer.byteLength(value) < SHORTEST_VALUE) return `shorter than ${SHORTEST_VALUE} bytes`
  // No pattern is meant for longer ones, and a megabyte would keep the first one busy.
  if (value.length > 64) return undefined
  const lower = value.toLowerCase()
  const isVersion = /^V\d/
  if (isWord(lower) || repeats(value) || (COMMON.test(lower) && !isVersion.test(value)))
    return 'a common word or placeholder'
  return undefined
}

function isWord(value: string): boolean {
  return WORDS.includes(value) && WORDS.trim().split(/\s+/).includes(value)
}

/** Whether it is the same one to four characters over and over. */
function repeats(value: string): boolean {
  const first = [...value.slice(0, 8)]
  for (let count = 1; count <= 4; count++) {
    const part = first.slice(0, count).join('')
    const times = value.length / part.length
    if (times >= 2 && Number.isInteger(times) && part.repeat(times) === value) return true
  }
  return false
}
