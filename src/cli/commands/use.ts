import { rm } from 'node:fs/promises'
import { command } from '../command.ts'
import { notFoundError, usageError } from '../errors.ts'
import { note, result } from '../output.ts'

export default command({
  name: 'use',
  description: 'Choose the profile of this working copy; kept in .secrets/profile, which git ignores',
  examples: [
    ['secrets use staging', 'until another one is chosen'],
    ['secrets use', 'says which one is active, and what there is'],
    ['secrets use --none', 'back to the configuration’s own'],
  ],
  args: {
    name: { type: 'positional', required: false, description: 'The profile' },
    none: { type: 'boolean', description: 'Take the choice back' },
  },
  async run({ flags }) {
    const { name, none, json } = flags
    if (none && name !== undefined) throw usageError('use takes a profile or --none, not both.')
    const { optionsOf, rootOf } = await import('../context.ts')
    const { findConfig } = await import('../../core/config/find.ts')
    const { profilesOf } = await import('../../core/config/profiles.ts')
    const { createSecrets } = await import('../../core/pipeline.ts')
    const { activeProfile, activeProfileFile } = await import('../../core/config/active.ts')
    const { didYouMean } = await import('../../core/nearest.ts')
    const { root } = findConfig(rootOf(flags))
    const profiles = await profilesOf(rootOf(flags), flags.config)
    const file = activeProfileFile(root)
    if (none) await rm(file, { force: true })
    else if (name !== undefined) {
      const known =
        profiles.length > 0 ? `Profiles: ${profiles.join(', ')}.` : 'The configuration has no `profiles`.'
      if (!profiles.includes(name))
        throw notFoundError(`There is no profile ${name}.${didYouMean(name, profiles)}`, known)
      // What is wrong with it is better heard now than in the next build.
      await (await createSecrets({ ...optionsOf(flags), profile: name })).close()
      const { ignoreFolder } = await import('../../core/crypto/keys.ts')
      const { writeAtomic } = await import('../../core/files.ts')
      ignoreFolder(root)
      await writeAtomic(file, `${name}\n`)
    }
    const active = activeProfile(root) ?? null
    result(json === true, { active, profiles }, () => {
      const now = active === null ? 'No profile is chosen.' : `The profile ${active} is chosen.`
      return name !== undefined || none ? now : [now, ...profiles.map((each) => `  ${each}`)].join('\n')
    })
    if (process.env.SECRETS_PROFILE) note(`SECRETS_PROFILE=${process.env.SECRETS_PROFILE} comes before it.`)
  },
})
