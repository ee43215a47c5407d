import { useLayoutEffect, useState } from 'preact/hooks'
import type { Problem, SecretView } from '../../api.ts'
import { problemOf } from '../actions.ts'
import { post } from '../requests.ts'
import { change } from '../store.ts'
import { useClock } from '../time.ts'
import { Action, ProblemText } from './parts.tsx'

/** How long a value stays on the screen, in ms. */
const SHOWN_FOR = 15_000

interface Shown {
  readonly value: string
  readonly until: number
}

/** The value of a local secret: dots until a person asks, and dots again soon after or when the window is left. */
export function Reveal({ secret: { name, masked } }: { secret: SecretView }) {
  const [shown, setShown] = useState<Shown>()
  const [problem, setProblem] = useState<Problem>()

  // Before anything else can happen: a window that is left in the same moment is left.
  useLayoutEffect(() => {
    if (!shown) return
    const hide = (): void => setShown(undefined)
    const timer = setTimeout(hide, shown.until - Date.now())
    const ends = ['blur', 'pagehide', 'visibilitychange'] as const
    for (const end of ends) addEventListener(end, hide, true)
    return () => {
      clearTimeout(timer)
      for (const end of ends) removeEventListener(end, hide, true)
    }
  }, [shown])

  const show = async (): Promise<void> => {
    setProblem(undefined)
    try {
      const { value } = await post('reveal', { name })
      // The person may have gone elsewhere while it was fetched.
      if (document.hasFocus()) setShown({ value, until: Date.now() + SHOWN_FOR })
    } catch (error) {
      setProblem(problemOf(error))
    }
  }
  const copy = async (value: string): Promise<void> => {
    const copied = await navigator.clipboard?.writeText(value).then(
      () => true,
      () => false,
    )
    change({
      notice: { text: copied ? `${name} is in the clipboard.` : 'The browser allows no copying here.' },
    })
  }

  return (
    <div class="reveal">
      {shown ? <pre class="revealed">{shown.value}</pre> : <p class="masked">{masked ?? 'no value'}</p>}
      {problem && <ProblemText problem={problem} />}
      <div class="actions">
        {shown ? (
          <>
            <Action onPress={() => setShown(undefined)}>Hide</Action>
            <Action onPress={() => copy(shown.value)}>Copy</Action>
            <Left until={shown.until} />
          </>
        ) : (
          masked !== undefined && <Action onPress={show}>Reveal</Action>
        )}
      </div>
    </div>
  )
}

function Left({ until }: { until: number }) {
  const seconds = Math.max(0, Math.ceil((until - useClock()) / 1000))
  return <span class="muted">hides in {seconds} s</span>
}
