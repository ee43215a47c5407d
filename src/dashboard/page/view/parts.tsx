import type { ComponentChildren } from 'preact'
import type { Problem, SecretView } from '../../api.ts'
import { usePage } from '../store.ts'
import { ageText, timeText, useClock } from '../time.ts'

export function Badge({ tone, children }: { tone: string; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>
}

/** A button that keeps its place and the focus while what it started runs. */
export function Action({
  busy,
  tone = '',
  onPress,
  children,
  ...rest
}: {
  busy?: string
  tone?: string
  onPress: () => unknown
  children: ComponentChildren
  title?: string
  'aria-label'?: string
}) {
  const working = usePage().busy.has(busy ?? '')
  return (
    <button type="button" class={`button ${tone}`} aria-busy={working} onClick={() => onPress()} {...rest}>
      {children}
    </button>
  )
}

/** Counts on by itself. */
export function Age({ at, ago = false }: { at: number; ago?: boolean }) {
  const text = ageText(Math.max(0, useClock() - at))
  return (
    <time dateTime={new Date(at).toISOString()} title={timeText(at)}>
      {ago && text !== 'now' ? `${text} ago` : text}
    </time>
  )
}

export function ProblemText({ problem }: { problem: Problem }) {
  return (
    <div class="problem">
      <p>{problem.message}</p>
      {problem.hint !== undefined && <p class="hint">{problem.hint}</p>}
      <p class="code">{problem.code}</p>
    </div>
  )
}

export function Modules({ files }: { files: readonly string[] }) {
  return (
    <ul class="modules">
      {files.map((file) => (
        <li key={file}>
          <code>{file}</code>
        </li>
      ))}
    </ul>
  )
}

/** An empty or closed-off place: what is so, and what to do. */
export function Blank({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="blank">
      <h2>{title}</h2>
      {children}
    </div>
  )
}

export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`

export function Seen({ consumer }: { consumer: SecretView['consumer'] }) {
  return consumer === 'client' ? <Badge tone="client">browser</Badge> : <Badge tone="">server</Badge>
}

export function States({ secret }: { secret: SecretView }) {
  return (
    <>
      {secret.error && <Badge tone="error">error</Badge>}
      {secret.stale && <Badge tone="stale">stale</Badge>}
      {secret.masked === undefined && !secret.error && <Badge tone="error">no value</Badge>}
    </>
  )
}
