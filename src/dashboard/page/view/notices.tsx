import { useEffect } from 'preact/hooks'
import { change, type Notice, now } from '../store.ts'
import { Action, ProblemText } from './parts.tsx'

/** How long good news stay, in ms. */
const STAYS = 6000

/** What became of the last thing that was done. Problems stay until they are closed. */
export function Notices({ notice }: { notice: Notice | undefined }) {
  useEffect(() => {
    if (!notice || notice.problem) return
    const timer = setTimeout(() => now().notice === notice && change({ notice: undefined }), STAYS)
    return () => clearTimeout(timer)
  }, [notice])
  return (
    <div class="notices">
      <div role="status">
        {notice && !notice.problem && (
          <div class="notice">
            <p>{notice.text}</p>
            <Close />
          </div>
        )}
      </div>
      <div role="alert">
        {notice?.problem && (
          <div class="notice bad">
            <div>
              <p>
                <strong>{notice.text}</strong>
              </p>
              <ProblemText problem={notice.problem} />
            </div>
            <Close />
          </div>
        )}
      </div>
    </div>
  )
}

function Close() {
  return (
    <Action tone="quiet" aria-label="Close message" onPress={() => change({ notice: undefined })}>
      ✕
    </Action>
  )
}
