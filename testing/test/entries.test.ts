// What every entry gives, as compilers see it: `npm run check` reads this file, and a type that changed fails there.

import { expectTypeOf, test } from 'vitest'
import type * as testing from '../src/practice-server.ts'
import type * as storeContract from '../src/store-contract.ts'

test('the contract of stores is a list of rules, and what records they begin with', () => {
  expectTypeOf<keyof typeof storeContract>().toEqualTypeOf<
    'fullRecord' | 'newRecord' | 'plain' | 'storeContract'
  >()
  expectTypeOf<typeof storeContract.storeContract>().toEqualTypeOf<readonly storeContract.Rule[]>()
})

test('a practice server ends by itself', () => {
  expectTypeOf<typeof testing.startPracticeServer>().returns.resolves.toEqualTypeOf<testing.PracticeServer>()
  expectTypeOf<testing.PracticeServer>().toExtend<AsyncDisposable>()
  expectTypeOf<testing.PracticeServer['requests']>().toEqualTypeOf<readonly testing.PracticeRequest[]>()
})
