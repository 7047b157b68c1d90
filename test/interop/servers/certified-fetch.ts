import { Agent, fetch as undiciFetch } from 'undici'

export interface CertifiedFetch extends AsyncDisposable {
  readonly fetch: typeof fetch
}

/** `fetch` whose connections trust one authority alone, and show a certificate where one is given. PEM. */
export function certifiedFetch(
  ca: string,
  shown?: { readonly certificate: string; readonly key: unknown },
): CertifiedFetch {
  const mine = shown === undefined ? {} : { cert: shown.certificate, key: String(shown.key) }
  const dispatcher = new Agent({ connect: { ca, ...mine } })
  // The types of undici and of the global fetch differ where nothing differs at run time.
  const send = undiciFetch as unknown as (input: unknown, init: object) => Promise<Response>
  return {
    fetch: (input, init) => send(input, { ...init, dispatcher }),
    [Symbol.asyncDispose]: () => dispatcher.close(),
  }
}
