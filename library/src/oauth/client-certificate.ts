import { ConfigurationError, EvertokenError } from '../errors.ts'
import { Secret } from '../secret.ts'
import type { ClientCertificate, ClientRegistration } from './client.ts'
import { nameOf } from './client-secrets.ts'
import { readSmallFile } from './small-file.ts'
import type { Wire, WireCertificate, WireRequest } from './transport.ts'

/** Bytes. A chain of certificates has a few thousand; whatever is larger is another file. */
const largestFile = 65_536

/**
 * What a request of this client shows in the TLS handshake (RFC 8705), as a part of it. Files are read anew for each, since
 * nobody says when they are renewed.
 *
 * @throws EvertokenError `invalid_configuration` when the transport cannot show a certificate, the address is plain http, or
 *   what was configured is no certificate with its key; `key_file_unreadable` when that is so of files, which may change. Never
 *   with any of the key. Nothing has left then.
 */
export async function shownCertificate(
  { certificate, ...client }: Pick<ClientRegistration, 'certificate' | 'provider' | 'clientId'>,
  url: URL,
  { transport, now }: Pick<Wire, 'transport' | 'now'>,
): Promise<Pick<WireRequest, 'certificate'>> {
  if (certificate === undefined) return {}
  if (url.protocol !== 'https:')
    throw new EvertokenError(
      'invalid_configuration',
      `the client has a certificate, and ${url.host} is addressed by plain http, which shows none`,
      { advice: 'Use the https address.' },
    )
  if (transport.showsCertificates !== true)
    throw new EvertokenError(
      'invalid_configuration',
      'the client has a certificate, and this transport does not say that it can show one',
      {
        advice:
          'Use nodeTransport, or have your own connect with the certificate of each request and say showsCertificates: true.',
      },
    )
  return { certificate: { client: nameOf(client), ...(await readClientCertificate(certificate, now())) } }
}

/**
 * A certificate and its key, held against each other.
 *
 * @param now UTC ms.
 * @throws EvertokenError as {@link shownCertificate} says.
 */
async function readClientCertificate(
  given: ClientCertificate,
  now: number,
): Promise<Omit<WireCertificate, 'client'>> {
  if ('certificate' in given) return checked(given, now, wrong)
  const { certificateFile, keyFile } = given
  const [certificate, key] = await Promise.all([
    readSmallFile(certificateFile, largestFile, inFile(certificateFile)),
    readSmallFile(keyFile, largestFile, inFile(keyFile)),
  ])
  const pair = `${certificateFile} and ${keyFile}`
  return checked({ certificate, key: new Secret(key) }, now, (what) => inFile(pair)(what))
}

function checked(
  pair: Omit<WireCertificate, 'client'>,
  now: number,
  unusable: (what: string) => EvertokenError,
): Omit<WireCertificate, 'client'> {
  const { X509Certificate, createPrivateKey } = process.getBuiltinModule('node:crypto')
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work()
    } catch {
      // The parsers' own messages quote what they could not read.
      return undefined
    }
  }
  const certificate = attempt(() => new X509Certificate(pair.certificate))
  if (certificate === undefined) throw unusable('hold no certificate in PEM')
  const key = attempt(() => createPrivateKey(pair.key.reveal()))
  if (key === undefined) throw unusable('hold no private key in PEM, or an encrypted one')
  if (!certificate.checkPrivateKey(key)) throw unusable('do not belong together')
  if (Date.parse(certificate.validTo) <= now)
    throw unusable(`have a certificate that expired on ${certificate.validTo}`)
  return pair
}

const wrong = (what: string): EvertokenError =>
  new EvertokenError('invalid_configuration', `the client certificate and its key ${what}`, {
    advice: 'Give both as PEM, the key unencrypted (openssl pkcs8 -topk8 -nocrypt).',
  })

const inFile =
  (file: string) =>
  (what: string, cause?: unknown): ConfigurationError =>
    new ConfigurationError('key_file_unreadable', `the client certificate: ${file} ${what}`, {
      file,
      cause,
      advice:
        'See whether what renews them is at work, and that this user may read them; then it goes on by itself.',
    })
