/** Base64url of 32 random bytes: 256 bits, 43 characters, as RFC 7636 section 4.1 wants a verifier. */
export function randomText(random?: ((bytes: number) => Uint8Array) | undefined): string {
  const bytes = random?.(32) ?? crypto.getRandomValues(new Uint8Array(32))
  if (bytes.length !== 32) throw new TypeError('random must give as many bytes as it is asked for')
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
