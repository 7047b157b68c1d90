import type { IncomingHttpHeaders } from 'node:http'
import { WireError } from './transport.ts'

/** Bytes of one answer, before and after decompression. The longest real token answers have a few thousand. */
export const largestBody = 65_536

const bounded = { maxOutputLength: largestBody }
// Identity is asked for; some servers and proxies compress all the same.
const decoders: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  identity: (body) => body,
  gzip: (body) => zlib().gunzipSync(body, bounded),
  'x-gzip': (body) => zlib().gunzipSync(body, bounded),
  // RFC 9110 section 8.4.1.2 means zlib; some send bare deflate, whose first byte differs.
  deflate: (body) =>
    (body[0] ?? 0) % 16 === 8 ? zlib().inflateSync(body, bounded) : zlib().inflateRawSync(body, bounded),
  br: (body) => zlib().brotliDecompressSync(body, bounded),
}

/** Loaded when first needed, which is next to never. */
const zlib = () => process.getBuiltinModule('node:zlib')

/** For whole texts only, between which it keeps nothing. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The text of a body: at most 64 KiB after decompression, strictly UTF-8, without byte order mark. */
export function decodeBody(body: Buffer, headers: IncomingHttpHeaders, status: number): string {
  const encoding = headers['content-encoding']?.trim().toLowerCase() || 'identity'
  const decode = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined
  if (decode === undefined)
    throw new WireError('bad_encoding', 'an unknown content encoding', { sent: true, status })
  const plain = body.length === 0 ? body : decompressed(body, decode, status)
  try {
    return utf8.decode(plain)
  } catch {
    throw new WireError('bad_encoding', 'the answer is not UTF-8', { sent: true, status })
  }
}

function decompressed(body: Buffer, decode: (body: Buffer) => Buffer, status: number): Buffer {
  try {
    return decode(body)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    const facts = { sent: true, status }
    if (code === 'ERR_BUFFER_TOO_LARGE')
      throw new WireError('too_large', `more than ${largestBody} bytes of answer`, facts)
    if (code === 'Z_BUF_ERROR') throw new WireError('cut', 'the compressed answer ends too early', facts)
    throw new WireError('bad_encoding', 'the answer cannot be decompressed', facts)
  }
}
