/** Shorter pieces of a secret than this are not looked for: they occur in ordinary words. */
const fragment = 12
/** Longer texts are cut before the search, which takes time by text length x secret length. */
const searched = 4096

/** Control characters, line separators, and the format characters that hide or reorder text (Trojan Source). */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu

/**
 * What a provider said, fit to be shown: at most `limit` characters, without control characters and without any of
 * `secrets`, whole or in pieces of twelve characters and more, for providers like to quote what they refuse.
 */
export function printable(text: string, limit: number, secrets: readonly string[] = []): string {
  const plain = text.slice(0, searched).replace(unprintable, ' ').trim()
  const shown = withoutSecrets(plain, secrets)
  return shown.length > limit ? `${shown.slice(0, limit - 1).replace(/\p{Cs}$/u, '')}…` : shown
}

/** `text` with every occurrence of a secret, or of a long piece of one, replaced by `[secret]`. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  const hidden = new Uint8Array(text.length)
  for (const secret of secrets) {
    const size = Math.min(secret.length, fragment)
    if (size === 0) continue
    for (let at = 0; at + size <= text.length; at++)
      if (secret.includes(text.slice(at, at + size))) hidden.fill(1, at, at + size)
  }
  let shown = ''
  for (let at = 0; at < text.length; at++) {
    if (!hidden[at]) shown += text[at]
    else if (at === 0 || !hidden[at - 1]) shown += '[secret]'
  }
  return shown
}
