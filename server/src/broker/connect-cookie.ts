import { hash } from 'node:crypto'

/**
 * The cookie that ties a consent to the browser that began it. Each consent has one of its own, named after its state,
 * so that two of them in two tabs do not disturb each other.
 */
export interface ConnectCookie {
  readonly name: string
  /** Over https the browser itself guarantees that no other host, and no plain http, has set it (`__Host-`). */
  readonly secure: boolean
}

const path = '/'

export function connectCookie(state: string, secure: boolean): ConnectCookie {
  const name = `evertoken-connect-${hash('sha256', state, 'hex').slice(0, 16)}`
  return { name: secure ? `__Host-${name}` : name, secure }
}

/** Lax, because the provider sends the person back from another site. */
export function setCookie({ name, secure }: ConnectCookie, value: string, seconds: number): string {
  return `${name}=${value}; Path=${path}; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
}

export const clearCookie = (cookie: ConnectCookie): string => setCookie(cookie, '', 0)

/** The cookie's value; undefined when the browser sent none, or more than one, of which one is not ours. */
export function readCookie({ name }: ConnectCookie, header: string | undefined): string | undefined {
  const values = (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1))
  return values.length === 1 ? values[0] : undefined
}
