import { dueRules } from './store-due-rules.ts'
import { lifeRules } from './store-life-rules.ts'
import { loginRules } from './store-login-rules.ts'
import { recordRules } from './store-record-rules.ts'
import { registerRules } from './store-register-rules.ts'
import type { Rule } from './store-rule.ts'

export { fullRecord, newRecord, plain } from './store-records.ts'
export type { Rule, StoreUnderTest } from './store-rule.ts'

/*
 * What every store must do (the rules of grants/store.ts), as a list of named checks that need no test framework.
 * They move no clock: a store may have a clock of its own, so every time is counted from `store.time()`, and UTC from now.
 */

/**
 * The rules, each to be checked on a store of its own:
 *
 * ```ts
 * import { test } from 'node:test'
 * import { storeContract } from '@evertoken/testing/store-contract'
 * import { myStore } from '../src/my-store.ts'
 *
 * for (const rule of storeContract)
 *   test(rule.name, async (t) => {
 *     const place = await emptyPlace()
 *     const open = async () => {
 *       const store = await myStore(place).open()
 *       t.after(() => store.close())
 *       return store
 *     }
 *     await rule.check({ open, shared: true })
 *   })
 * ```
 *
 * A store for one process says `shared: false` and leaves out the rules with `shared`.
 */
export const storeContract: readonly Rule[] = [
  ...recordRules,
  ...dueRules,
  ...loginRules,
  ...registerRules,
  ...lifeRules,
]
