import type { DashboardAnswers, DashboardFailure, DashboardRequests, Problem } from '../api.ts'
import { takeToken } from './token.ts'

/** An answer that tells what went wrong. */
export class Failure extends Error {
  readonly problem: Problem
  readonly status: number
  constructor(problem: Problem, status: number) {
    super(problem.message)
    this.problem = problem
    this.status = status
  }
}

/** No answer, or one that is not the dashboard's. */
export class Gone extends Error {}

/** The token is missing, or of another start of the server. */
export class Refused extends Error {}

/**
 * Asks the server; paths are relative, because it may be mounted below any folder.
 * @throws Refused, Failure, or Gone when nobody answers
 */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const token = takeToken()
  if (token === undefined) throw new Refused()
  let answer: Response
  try {
    answer = await fetch(`api/${path}`, {
      ...init,
      headers: { ...init.headers, Authorization: `Bearer ${token}` },
      cache: 'no-store',
      redirect: 'error',
    })
  } catch {
    throw new Gone()
  }
  if (answer.ok) return answer
  if (answer.status === 401) throw new Refused()
  const failure: DashboardFailure | undefined = await answer.json().catch(() => undefined)
  if (!failure?.error) throw new Gone()
  throw new Failure(failure.error, answer.status)
}

export async function post<Route extends keyof DashboardRequests>(
  route: Route,
  body: DashboardRequests[Route],
): Promise<DashboardAnswers[Route]> {
  const answer = await ask(route, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  try {
    return await answer.json()
  } catch {
    throw new Gone()
  }
}
