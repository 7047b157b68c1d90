import { fork } from 'node:child_process'
import { once } from 'node:events'

/** Another process with a worker on the same store. */
export interface Refresher extends AsyncDisposable {
  /** Refreshes since the last time this was asked: of all its grants, and of the one with a name. */
  refreshes(): Promise<{ all: number; busy: number }>
}

/** Refreshes `busy` and `others` more on the SQLite store `file`, about every two seconds each with tokens of four seconds. */
export async function startRefresher(
  file: string,
  tokenUrl: string,
  busy: string,
  others: number,
): Promise<Refresher> {
  const child = fork(new URL('./refreshing-process.ts', import.meta.url), [
    file,
    tokenUrl,
    busy,
    String(others),
  ])
  const answer = async <T>(): Promise<T> => (await once(child, 'message'))[0] as T
  await answer()
  return {
    async refreshes() {
      const counted = answer<{ all: number; busy: number }>()
      child.send('count')
      return counted
    },
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    },
  }
}
