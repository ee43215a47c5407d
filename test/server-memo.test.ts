import { expect, test } from 'vitest'
import type { Column, Row } from '../src/server/database.ts'
import { Memo } from '../src/server/memo.ts'

/** A memo, and how often it had to read. */
function counted(textOf: (values: readonly Column[]) => string = () => 'x') {
  const memo = new Memo()
  let reads = 0
  const ask = (state: object, ...values: Column[]): readonly Row[] =>
    memo.rows(state, values, () => {
      reads++
      return [{ text: textOf(values) }]
    })
  return { ask, reads: () => reads }
}

test('reads once for the same values, as long as the state is the same', () => {
  const { ask, reads } = counted()
  const [first, second] = [{}, {}]
  expect(ask(first, 'a', null)).toBe(ask(first, 'a', null))
  expect(reads()).toBe(1)
  ask(second, 'a', null)
  expect(reads()).toBe(2)
  // The rows of a state that has gone are not those of one that comes.
  ask(first, 'a', null)
  expect(reads()).toBe(3)
})

test('tells lists of values apart, whatever stands in them', () => {
  const lists: Column[][] = [
    ['a', 'b'],
    ['ab', ''],
    ['', 'ab'],
    ['a', null],
    ['a', 'null'],
    ['a', 'null;'],
    ['1'],
    [1],
    [11, 1],
    [1, 11],
    ['1:a', 'b'],
    ['1', 'a1:b'],
    ['a\0', 'b'],
    ['a', '\0b'],
  ]
  const { ask, reads } = counted((values) => JSON.stringify(values))
  const state = {}
  for (const _ of [1, 2])
    for (const list of lists) expect(ask(state, ...list)).toEqual([{ text: JSON.stringify(list) }])
  expect(reads()).toBe(lists.length)
})

test('keeps no long rows, and no more than its share of memory', () => {
  const { ask, reads } = counted(([size]) => 'x'.repeat(Number(size)))
  const state = {}
  for (const _ of [1, 2]) ask(state, 300_000)
  expect(reads()).toBe(2)
  // 200 rows of 100 kB are more than it keeps.
  for (let index = 0; index < 200; index++) ask(state, 100_000, index)
  expect(reads()).toBe(202)
  ask(state, 100_000, 199)
  expect(reads()).toBe(202)
  ask(state, 100_000, 0)
  expect(reads()).toBe(203)
})
