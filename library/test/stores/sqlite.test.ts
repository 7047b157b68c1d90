import { storeContract } from '@evertoken/testing/store-contract'
import { describe, test } from 'vitest'
import { newStoreFile, openedStore } from './sqlite-files.ts'

describe('the SQLite store keeps the contract:', () => {
  test.each(storeContract.map((rule) => [rule.name, rule] as const))('%s', (_name, rule) => {
    const file = newStoreFile()
    return rule.check({ open: () => openedStore(file), shared: true })
  })
})
