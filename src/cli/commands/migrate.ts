import { command } from '../command.ts'
import { note, result } from '../output.ts'

export default command({
  name: 'migrate',
  description: 'Move a document to another place: copy it, read it back, compare, and only then remove it',
  examples: [
    ['secrets migrate vault:myapp/db aws:prod/db', 'from one provider to another; asks first'],
    ['secrets migrate vault:old/db vault:new/db --keep', 'copies and leaves the source where it is'],
    ['secrets migrate local:STRIPE_KEY aws:prod/stripe --dry-run', 'says what would be done'],
  ],
  args: {
    from: { type: 'positional', required: true, description: 'A reference, or a declared name' },
    to: { type: 'positional', required: true, description: 'A reference; nothing may be there' },
    keep: { type: 'boolean', description: 'Do not remove the source' },
    'dry-run': { type: 'boolean', description: 'Change nothing' },
    yes: { type: 'boolean', alias: 'y', description: 'Do not ask' },
  },
  async run({ flags }) {
    const { from, to, keep, yes, json } = flags
    const { withSecrets } = await import('../context.ts')
    const { placeOf } = await import('../place.ts')
    const { checkFree, copyDocument, readSource } = await import('../migrate.ts')
    const { approve } = await import('../prompt.ts')
    const { withProgress } = await import('../progress.ts')
    await withSecrets(flags, async ({ config, contextFor }) => {
      const source = placeOf(config, from, 'remove')
      const target = placeOf(config, to, 'write')
      const ends = [source, target].map(({ reference }) => `${reference.provider}:${reference.path}`)
      const document = await withProgress(
        () => `Reading ${ends[0]}`,
        () => readSource(source, target, contextFor),
      )
      const data = { from: ends[0], to: ends[1] }
      const still = [...config.secrets.values()]
        .filter(({ reference: own }) => own && `${own.provider}:${own.path}` === ends[0])
        .map(({ name }) => name)
      if (flags['dry-run']) {
        await checkFree(target, contextFor)
        const plan = `${ends[0]} would be copied to ${ends[1]}${keep ? '' : ' and removed'}.`
        result(json === true, { ...data, copied: false, removed: false, names: still }, () => plan)
        return
      }
      const question = keep
        ? `Copy ${ends[0]} to ${ends[1]}?`
        : `Move ${ends[0]} to ${ends[1]}, and remove it there?`
      await approve(question, yes)
      const { path } = source.reference
      await withProgress(
        () => `Copying ${ends[0]} to ${ends[1]}, and comparing`,
        () => copyDocument(document, target, contextFor),
      )
      const removed =
        !keep &&
        (await withProgress(
          () => `Removing ${ends[0]}`,
          () => source.provider.remove({ path }, contextFor(source.reference.provider)),
        ))
      const { audit } = await import('../../core/audit.ts')
      await audit(config, { action: 'migrate', from: ends[0]!, to: ends[1]!, removed })
      result(json === true, { ...data, copied: true, removed, names: still }, () => {
        return `${ends[0]} is at ${ends[1]} now${removed ? '' : ', and still where it was'}.`
      })
      if (still.length > 0 && !json) note(`Change the references of ${still.join(', ')} to ${ends[1]}.`)
    })
  },
})
