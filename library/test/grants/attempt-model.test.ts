import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Why } from '../../src/grants/claim.ts'
import { findToken, ownToken } from '../../src/grants/grant.ts'
import { AttemptModel, type GrantKind } from './attempt-model.ts'

const worker = fc.nat({ max: 2 })
const pick = fc.nat({ max: 5 })

/** A step is data, so that a counterexample can be read. */
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(
      fc.constant('claim'),
      worker,
      fc.constantFrom<Why['kind']>('due', 'due', 'wanted', 'rejected', 'manual'),
    ),
  },
  { weight: 5, arbitrary: fc.tuple(fc.constant('mark'), worker) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('process'), pick) },
  { weight: 5, arbitrary: fc.tuple(fc.constant('deliver'), worker) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('giveUp'), worker) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('unreachable'), worker) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('crash'), worker) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constant('refuse'),
      pick,
      fc.constantFrom('invalid_client', 'slow_down', 'invalid_grant'),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(
      fc.constant('pass'),
      fc.constantFrom(1, 2000, 6000, 15_000, 20_000, 60_000, 600_000, 3_000_000, 3_400_000),
    ),
  },
  { weight: 2, arbitrary: fc.tuple(fc.constant('pause')) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('resume')) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('consent', 'reimport')) },
)

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

function take(model: AttemptModel, taken: Step): void {
  const [name, number = 0, word = ''] = taken as readonly [string, number?, string?]
  if (name === 'claim') {
    const generation = findToken(model.record, ownToken)?.generation ?? 0
    model.claim(number, { kind: word, key: ownToken, generation } as Why)
  } else if (name === 'refuse') model.refuse(number, word)
  else model[name as 'mark' | 'process' | 'deliver' | 'giveUp' | 'crash' | 'pass'](number)
}

const interleavings = fc.array(step, { maxLength: 60, size: 'max' })

describe.each<GrantKind>(['strict', 'kept', 'minted'])('three workers on one grant (%s)', (kind) => {
  test('keep every rule of the protocol, however their steps interleave, and lose a login only with an answer', () => {
    fc.assert(
      fc.property(interleavings, fc.boolean(), (steps, hasToken) => {
        const model = new AttemptModel(kind, 3, hasToken)
        for (const taken of steps) take(model, taken)
        model.settleDown()
        const { state } = model.record.status
        if (state === 'reauthorization_required') expect(model.mayBeLost).toBe(true)
        else expect(state).toBe('active')
      }),
      { numRuns: 10_000 },
    )
  })
})
