// Writes an app of many small modules, in which a few read a name.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** So many modules import each module's children: the tree is about five deep at a thousand. */
const CHILDREN = 4
/** Kilobytes of what makes a module larger. */
const BLOCK = 0.94
/** One module in so many reads a name. */
const READS = 20

/**
 * @param {string} folder is filled with `index.html`, `tsconfig.json` and `src/`
 * @param {number} count of modules, the entry included
 * @param {readonly string[]} names that are read, in turn
 * @param {number} [kilobytes] in each module, about; one at least
 * @returns {string[]} the files that read one, absolute
 */
export function writeApp(folder, count, names, kilobytes = 1) {
  const readers = []
  const fileOf = (index) => `src/part${Math.floor(index / 50)}/m${index}.${index % 2 ? 'ts' : 'js'}`
  for (let index = 0; index < count; index++) {
    const file = join(folder, fileOf(index))
    const children = Array.from({ length: CHILDREN }, (_, child) => index * CHILDREN + child + 1)
    const reader = index % READS === READS - 1
    const how = reader ? (((index + 1) / READS) % 2 ? 'env' : 'import') : undefined
    const name = names[Math.floor(index / READS) % names.length]
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(
      file,
      moduleText({
        index,
        typed: index % 2 === 1,
        children: children
          .filter((child) => child < count)
          .map((child) => ({ child, path: `/${fileOf(child)}` })),
        read: how && { how, name },
        more: Math.max(0, Math.round((kilobytes - 1) / BLOCK)),
      }),
    )
    if (reader) readers.push(file)
  }
  writeFileSync(
    join(folder, 'index.html'),
    `<!doctype html><div id="app"></div><script type="module" src="/${fileOf(0)}"></script>\n`,
  )
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { target: 'es2022', module: 'esnext', moduleResolution: 'bundler', strict: true },
      include: ['src'],
    }),
  )
  return readers
}

/** About a kilobyte: an interface or a comment, a class, two functions, what it imports. */
function moduleText({ index, typed, children, read, more }) {
  // The last child of every tenth module is imported when it is needed.
  const lazy = index % 10 === 9 ? children.at(-1) : undefined
  const direct = children.filter((child) => child !== lazy)
  const type = (text) => (typed ? text : '')
  const value =
    read === undefined ? `'value ${index}'` : read.how === 'env' ? `import.meta.env.${read.name}` : read.name
  return [
    read?.how === 'import' ? `import { ${read.name} } from 'virtual:secrets/client'` : '',
    ...direct.map(({ child, path }) => `import { run${child} } from '${path}'`),
    typed
      ? `export interface Options${index} { readonly label: string; readonly limit?: number; readonly tags: string[] }`
      : `// Options of part ${index}: a label, a limit and some tags. Nothing here is private.`,
    `const defaults${index} = { label: 'part ${index}', limit: ${index % 97}, tags: ['a${index % 7}', 'b${index % 11}'] }`,
    `export class Part${index} {`,
    `  constructor(options${type(`: Partial<Options${index}>`)} = {}) {`,
    `    this.options = { ...defaults${index}, ...options }`,
    '    this.seen = new Map()',
    '  }',
    ...(typed ? [`  readonly options: Options${index}`, '  readonly seen: Map<string, number>'] : []),
    `  count(word${type(': string')})${type(': number')} {`,
    '    const before = this.seen.get(word) ?? 0',
    '    if (before > (this.options.limit ?? 10)) return before',
    '    this.seen.set(word, before + word.length)',
    '    return before + 1',
    '  }',
    '}',
    index % 50 === 7 ? `export const mode${index} = import.meta.env.MODE + import.meta.env.DEV` : '',
    ...Array.from({ length: more }, (_, nth) => blockText(index, nth, type)),
    `export function run${index}(input${type(': string')})${type(': unknown[]')} {`,
    `  const part = new Part${index}({ label: input.trim().toLowerCase() })`,
    `  const words = input.split(/\\s+/).filter((word) => word !== '' && word !== 'x${index}')`,
    `  const counted = words.map((word, at) => ({ word, at, count: part.count(word) }))`,
    ...direct.map(({ child }) => `  counted.push(...run${child}(input)${type(' as typeof counted')})`),
    lazy
      ? `  if (counted.length > 1000) import('${lazy.path}').then((later) => console.log(later.run${lazy.child}(input)))`
      : '',
    ...Array.from(
      { length: more },
      (_, nth) =>
        `  counted.push(...counted.map((entry) => ({ ...entry, word: describe${index}_${nth}(entry) })))`,
    ),
    `  return [${value}, part.options, ...counted]`,
    '}',
    index === 0 ? "document.querySelector('#app').textContent = JSON.stringify(run0(location.href))" : '',
  ]
    .filter((line) => line !== '')
    .join('\n')
    .concat('\n')
}

/** A comment, a function with branches, and strings of every kind: all of it is used. */
function blockText(index, nth, type) {
  return `
/**
 * Says in one line what is known of an entry of part ${index}, for a list that shows many of them: the word, where
 * it stands and how often it came. Long words are cut, so that a row stays one line.
 */
function describe${index}_${nth}(entry${type(': { word: string; at: number; count: number }')}, prefix = 'entry-${nth}')${type(': string')} {
  if (entry.count === 0) return \`\${prefix}: nothing of \${entry.word} yet\`
  const shown = entry.word.length > ${20 + nth} ? entry.word.slice(0, ${17 + nth}) + '...' : entry.word
  // Most come once or twice; the others are listed with all that is known.
  switch (entry.count % 3) {
    case 1:
      return [prefix, shown, 'is alone at', entry.at].join(' ')
    case 2:
      return prefix + ' ' + shown + " came twice, at first it's at " + String(entry.at)
    default: {
      const rest = Object.entries({ ...defaults${index}, at: entry.at }).map(([key, value]) => key + '=' + JSON.stringify(value))
      return \`\${prefix} \${shown} (\${rest.join(', ')})\`
    }
  }
}`
}
