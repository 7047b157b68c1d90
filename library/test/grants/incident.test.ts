import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Answers, inIncident, noAnswers, withRefusal, withTokens } from '../../src/grants/incident.ts'

const minute = 60_000
const hour = 60 * minute

/** So many grants are refused, a second apart, from `now` on. */
const refused = (answers: Answers, grants: number, now: number): Answers =>
  Array.from({ length: grants }).reduce<Answers>(
    (before, _, index) => withRefusal(before, `grant-${index}`, now + index * 1000),
    answers,
  )

describe('an incident', () => {
  test('begins with the fifth grant that is refused within five minutes', () => {
    expect(inIncident(refused(noAnswers(0), 4, 0), 4000)).toBe(false)
    expect(inIncident(refused(noAnswers(0), 5, 0), 5000)).toBe(true)
  })

  test('is none when it is the same few grants over and over', () => {
    let answers = noAnswers(0)
    for (let at = 0; at < 200; at++) answers = withRefusal(answers, `grant-${at % 4}`, at * 1000)
    expect(inIncident(answers, 200_000)).toBe(false)
  })

  test('is none when four in five and more are given a token', () => {
    expect(inIncident(refused(withTokens(noAnswers(0), 21, 0), 5, 0), 5000)).toBe(false)
    expect(inIncident(refused(withTokens(noAnswers(0), 20, 0), 5, 0), 5000)).toBe(true)
  })

  test('is none when the refusals come further apart', () => {
    let answers = noAnswers(0)
    for (let index = 0; index < 50; index++) answers = withRefusal(answers, `grant-${index}`, index * 80_000)
    expect(inIncident(answers, 50 * 80_000)).toBe(false)
  })

  test('counts tokens of up to five minutes ago, and no older ones', () => {
    const busy = withTokens(noAnswers(0), 1000, 0)
    expect(inIncident(refused(busy, 20, 4 * minute), 4 * minute + 20_000)).toBe(false)
    expect(inIncident(refused(busy, 20, 11 * minute), 11 * minute + 20_000)).toBe(true)
  })

  test('is over five minutes after the last refusal, once tokens are given again', () => {
    const begun = refused(noAnswers(0), 10, 0)
    const healed = withTokens(begun, 1, 10 * minute)
    expect(inIncident(begun, 10 * minute - 1)).toBe(true)
    expect(inIncident(healed, 10 * minute)).toBe(false)
    const soon = withTokens(begun, 1, 2 * minute)
    expect(inIncident(soon, 9000 + 5 * minute - 1)).toBe(true)
    expect(inIncident(soon, 9000 + 5 * minute)).toBe(false)
  })

  test('lasts while nobody is given a token, however seldom it is asked', () => {
    const begun = refused(noAnswers(0), 5, 0)
    const asked = withRefusal(begun, 'grant-1', 3 * hour)
    expect(inIncident(asked, 6 * hour)).toBe(true)
  })

  test('lasts a day at most, and refusals that go on do not begin another', () => {
    let answers = noAnswers(0)
    const states: [number, boolean][] = []
    for (let at = 0; at < 26 * hour; at += minute) {
      answers = withRefusal(answers, `grant-${(at / minute) % 20}`, at)
      if (at % hour === 30 * minute) states.push([at / hour, inIncident(answers, at)])
    }
    expect(states.filter(([at, is]) => is !== at < 24)).toEqual([])
    expect(states).toHaveLength(26)
  })
})

test('what is remembered is bounded, and survives JSON', () => {
  const step = fc.record({
    after: fc.integer({ min: 0, max: 10 * minute }),
    grant: fc.option(fc.integer({ min: 0, max: 5000 }), { nil: undefined }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      let now = 0
      let answers = noAnswers(0)
      for (const { after, grant } of steps) {
        now += after
        answers =
          grant === undefined ? withTokens(answers, 1, now) : withRefusal(answers, `grant-${grant}`, now)
      }
      expect(answers.refusals.length).toBeLessThanOrEqual(128)
      expect(new Set(answers.refusals.map(({ grant }) => grant)).size).toBe(answers.refusals.length)
      expect(JSON.parse(JSON.stringify(answers))).toEqual(answers)
      if (inIncident(answers, now)) expect(now - (answers.incident?.since ?? 0)).toBeLessThan(24 * hour)
    }),
  )
})

test('a hundred and twenty-eight dead logins in five minutes are an incident however many live ones there are', () => {
  const busy = withTokens(noAnswers(0), 100_000, 0)
  expect(inIncident(refused(busy, 127, 0), 127_000)).toBe(false)
  expect(inIncident(refused(busy, 128, 0), 128_000)).toBe(true)
})
