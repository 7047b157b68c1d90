import { EvertokenError } from 'evertoken'
import { expect, test } from 'vitest'
import { workerTrouble } from '../../src/cli/worker-trouble.ts'

test('what can be done about it is said along', () => {
  const said: string[] = []
  const tell = workerTrouble((line) => said.push(line), { boot: () => 0 })
  tell(new EvertokenError('store_foreign', 'it is a copy', { advice: 'Run evertoken adopt.' }))
  expect(said).toEqual(['evertoken: it is a copy\n  Run evertoken adopt.\n'])
})

test('the same trouble is said once a minute, another at once', () => {
  let now = 1000
  const said: string[] = []
  const tell = workerTrouble((line) => said.push(line), { boot: () => now })
  for (let second = 0; second < 90; second++, now += 1000) tell(new Error('the disk is full'))
  tell(new Error('the store is gone'))
  tell('nothing that is an error')
  expect(said).toEqual([
    'evertoken: the disk is full\n',
    'evertoken: the disk is full\n',
    'evertoken: the store is gone\n',
    'evertoken: nothing that is an error\n',
  ])
})
