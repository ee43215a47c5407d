import type { ComponentChildren } from 'preact'
import type { SecretView } from '../../api.ts'
import { refreshOne } from '../actions.ts'
import { closeDetails, detailsTitle } from '../keys.ts'
import { change } from '../store.ts'
import { Action, Age, Modules, ProblemText, Seen, States } from './parts.tsx'
import { Reveal } from './reveal.tsx'

/** Everything that is known of one secret, and what can be done with it. */
export function Details({ secret }: { secret: SecretView }) {
  const { name, usedIn } = secret
  // What code imports of `db.user` is `db`.
  const [root = name] = name.split('.')
  return (
    <aside id="details" class="details" aria-labelledby={detailsTitle}>
      <div class="head">
        <h2 id={detailsTitle} tabIndex={-1}>
          {name}
        </h2>
        <Action tone="quiet" aria-label="Close details" title="Close (Esc)" onPress={closeDetails}>
          ✕
        </Action>
      </div>
      <p class="badges">
        <Seen consumer={secret.consumer} />
        <States secret={secret} />
      </p>
      {secret.description !== undefined && <p>{secret.description}</p>}
      {secret.error && <ProblemText problem={secret.error} />}
      {secret.stale && !secret.error && (
        <p class="note">The provider did not answer last time, so this is an earlier value from the cache.</p>
      )}
      {secret.source === 'process.env' && (
        <p class="note">A variable of the same name in the process environment takes the provider’s place.</p>
      )}
      {secret.isLocal ? (
        <Reveal key={secret.version} secret={secret} />
      ) : (
        <p class="masked">{secret.masked ?? 'no value'}</p>
      )}
      <div class="actions">
        <Action busy={`refresh ${name}`} title="Refresh (r)" onPress={() => refreshOne(name)}>
          Refresh
        </Action>
        {secret.isLocal && (
          <>
            <Action onPress={() => change({ asking: { kind: 'edit', name } })}>
              {secret.masked === undefined ? 'Set…' : 'Edit…'}
            </Action>
            {secret.masked !== undefined && (
              <Action tone="danger" onPress={() => change({ asking: { kind: 'remove', name } })}>
                Remove…
              </Action>
            )}
          </>
        )}
        {!secret.isLocal && secret.canMove && (
          <Action onPress={() => change({ asking: { kind: 'move', name } })}>Move to local…</Action>
        )}
      </div>
      <dl>
        <Fact term="Provider">{secret.provider}</Fact>
        <Fact term="Reference">{secret.reference !== undefined && <code>{secret.reference}</code>}</Fact>
        <Fact term="Version">{secret.version !== undefined && <code>{secret.version}</code>}</Fact>
        <Fact term="Value from">{secret.source}</Fact>
        <Fact term="Read">{secret.fetchedAt !== undefined && <Age at={secret.fetchedAt} ago />}</Fact>
        <Fact term="Code">
          {/^[\w$]+$/.test(root) && (
            <code>{`import { ${root} } from 'virtual:secrets/${secret.consumer}'`}</code>
          )}
        </Fact>
      </dl>
      <h3>Used in</h3>
      {usedIn.length > 0 ? (
        <Modules files={usedIn} />
      ) : (
        <p class="muted">No module reads it, as far as is known.</p>
      )}
    </aside>
  )
}

function Fact({ term, children }: { term: string; children: ComponentChildren }) {
  if (!children) return null
  return (
    <>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </>
  )
}
