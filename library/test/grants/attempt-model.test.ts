import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Why } from '../../src/grants/claim.ts'
import { findToken, ownToken } from '../../src/grants/grant.ts'
import { AttemptModel, type World } from './attempt-model.ts'

const worker = fc.nat({ max: 2 })
const pick = fc.nat({ max: 5 })

/** A step is data, so that a counterexample can be read. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(
      fc.constant('claim'),
      worker,
      fc.constantFrom<Why['kind']>('due', 'due', 'wanted', 'rejected', 'manual'),
    ),
  },
  { weight: 14, arbitrary: fc.tuple(fc.constant('go'), worker, fc.constantFrom('told', 'told', 'untold')) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('process'), pick) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('drop'), pick) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('giveUp', 'unreachable'), worker) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('crash'), worker) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('drain'), worker) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constant('refuse'),
      pick,
      fc.constantFrom('invalid_client', 'slow_down', 'invalid_grant'),
    ),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(
      fc.constant('pass'),
      fc.constantFrom(1, 2000, 6000, 15_000, 20_000, 60_000, 120_000, 600_000, 3_000_000, 3_400_000),
    ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('pause', 'quarantine', 'resume', 'resume')) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom('consent', 'reimport', 'reboot', 'adopt', 'revoke'), pick),
  },
)

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

function take(model: AttemptModel, taken: Step): void {
  const [name, number = 0, word = ''] = taken as readonly [string, number?, string?]
  const steps: Record<string, () => unknown> = {
    claim: () => {
      const generation = findToken(model.record, ownToken)?.generation ?? 0
      model.claim(number, { kind: word, key: ownToken, generation } as Why)
    },
    go: () => model.go(number, word === 'told'),
    process: () => model.process(number),
    drop: () => model.drop(number),
    giveUp: () => model.giveUp(number),
    unreachable: () => model.giveUp(number, false),
    crash: () => model.crash(number),
    drain: () => model.drain(number),
    refuse: () => model.refuse(number, word),
    pass: () => model.pass(number),
    pause: () => model.pause(),
    quarantine: () => model.quarantine(),
    resume: () => model.resume(),
    consent: () => model.consent(),
    reimport: () => model.reimport(),
    reboot: () => model.reboot(),
    adopt: () => model.adopt(number % 2 === 0),
    // Rarely: it ends all that is interesting.
    revoke: () => (number < 2 ? model.revoke() : undefined),
  }
  steps[name]?.()
}

const interleavings = fc.array(step, { maxLength: 80, size: 'max' })
const numRuns = Number(process.env.EVERTOKEN_MODEL_RUNS ?? 2000)

function check(world: Omit<World, 'hasToken'>, judge: (model: AttemptModel) => void): void {
  fc.assert(
    fc.property(interleavings, fc.boolean(), (steps, hasToken) => {
      const model = new AttemptModel({ ...world, hasToken })
      for (const taken of steps) take(model, taken)
      model.settleDown()
      judge(model)
    }),
    { numRuns },
  )
}

describe.each<Omit<World, 'hasToken'>>([
  { kind: 'strict', hosts: 1, probe: true },
  { kind: 'strict', hosts: 1 },
  { kind: 'strict', hosts: 2, probe: true },
  { kind: 'strict', hosts: 2 },
  { kind: 'last_child_wins', hosts: 1 },
  { kind: 'last_child_wins', hosts: 2, probe: true },
  { kind: 'idempotent', hosts: 1 },
  { kind: 'idempotent', hosts: 2, probe: true },
  { kind: 'fork', hosts: 1 },
  { kind: 'fork', hosts: 2, probe: true },
  { kind: 'non_rotating', hosts: 2 },
  { kind: 'minted', hosts: 2 },
])('three workers on one grant (%o)', (world) => {
  test('keep every rule of the protocol, however their steps interleave, and give a login up only with an excuse', () => {
    check(world, ({ state }) => expect(state).toMatch(/^(active|revoking|reauthorization_required)$/))
  })

  test('lose nothing that has a window while one of them lives and does what is due', () => {
    check({ ...world, guarded: true }, ({ state, cannotBeLost }) => {
      expect(state).toMatch(
        cannotBeLost ? /^(active|revoking)$/ : /^(active|revoking|reauthorization_required)$/,
      )
    })
  })
})
