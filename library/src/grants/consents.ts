import { EvertokenError } from '../errors.ts'
import type { ConsentContext, Consented, ConsentOptions, ConsentRequest } from './consent.ts'
import type { DeviceConsent, DeviceConsentOptions } from './device-consent.ts'
import type { GrantRecord } from './grant.ts'
import type { LoginCredentials } from './password-login.ts'
import type { GrantSummary } from './summary.ts'

/** Consents of people, begun and finished; each loads its code when somebody first asks for it. */
export class Consents {
  readonly #context: ConsentContext
  readonly #consented: (record: GrantRecord) => GrantSummary
  /** Those given on other devices while this process waits. */
  readonly #waiting = new Set<Promise<GrantSummary>>()
  readonly #ending = new AbortController()

  /** `consented` hears of each grant that is new by one and makes of it what the person is shown. */
  constructor(context: ConsentContext, consented: (record: GrantRecord) => GrantSummary) {
    this.#context = context
    this.#consented = consented
  }

  async begin(id: string, options: ConsentOptions): Promise<ConsentRequest> {
    const { beginConsent } = await import('./consent.ts')
    return beginConsent(this.#context, id, options)
  }

  async finish(callback: URL | URLSearchParams, binding?: string): Promise<GrantSummary> {
    const { finishConsent } = await import('./consent.ts')
    return this.#told(await finishConsent(this.#context, callback, binding))
  }

  async logIn(id: string, credentials: LoginCredentials): Promise<GrantSummary> {
    const { logIn } = await import('./password-login.ts')
    return this.#told(await logIn(this.#context, id, credentials))
  }

  async beginOnDevice(id: string, options: DeviceConsentOptions): Promise<DeviceConsent> {
    const { beginDeviceConsent } = await import('./device-consent.ts')
    const signal = AbortSignal.any([this.#ending.signal, ...(options.signal ? [options.signal] : [])])
    const { consented, ...shown } = await beginDeviceConsent(this.#context, id, signal, options.otherAccount)
    const finished = consented.then((kept) => this.#told(kept))
    this.#waiting.add(finished)
    const over = (): void => void this.#waiting.delete(finished)
    // Whoever does not look at it has shown the code all the same: no reason to end the process.
    finished.then(over, over)
    return { ...shown, finished }
  }

  #told({ record, secondary }: Consented): GrantSummary {
    for (const other of secondary) this.#consented(other)
    return this.#consented(record)
  }

  /** Ends the waiting for other devices; resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#ending.abort(new EvertokenError('closed', 'the keeper was closed'))
    await Promise.allSettled(this.#waiting)
  }
}
