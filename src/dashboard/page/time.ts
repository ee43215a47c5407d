import { useEffect, useState } from 'preact/hooks'

const STEPS: readonly [ms: number, unit: string][] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
]

/** `12 s`, `3 min`, `2 h`, `4 d`; `now` below a second. */
export function ageText(ms: number): string {
  const step = STEPS.find(([length]) => ms >= length)
  return step ? `${Math.floor(ms / step[0])} ${step[1]}` : 'now'
}

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

export const timeText = (at: number): string => clock.format(at)

const watchers = new Set<(time: number) => void>()
let ticking: ReturnType<typeof setInterval> | undefined

/** The time now, in ms, told anew each second: one timer for every age on the page. */
export function useClock(): number {
  const [time, tell] = useState(Date.now)
  useEffect(() => {
    watchers.add(tell)
    ticking ??= setInterval(() => {
      for (const watcher of watchers) watcher(Date.now())
    }, 1000)
    return () => {
      watchers.delete(tell)
      if (watchers.size > 0) return
      clearInterval(ticking)
      ticking = undefined
    }
  }, [])
  return time
}
