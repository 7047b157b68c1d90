import { isJsonObject, type JsonObject, parseJson } from './json-object.ts'

/** The claims of a JWT, unverified (RFC 7519 section 7.2); undefined where the text is none. */
export function readClaims(jwt: string): JsonObject | undefined {
  const parts = jwt.split('.')
  if (parts.length !== 3 || !/^[\w-]+$/.test(parts[1] ?? '')) return undefined
  const claims = parseJson(decodeBase64url(parts[1] as string))?.value
  return isJsonObject(claims) ? claims : undefined
}

/** Gives UTF-8, which the claims of a subject may well be. */
function decodeBase64url(text: string): string {
  try {
    const bytes = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)))
  } catch {
    return ''
  }
}
