import type { ClientCertificate } from '../oauth/client.ts'
import type { ClientOptions } from './definition.ts'
import { checkedPath, checkedSecret, invalid } from './option-check.ts'

/**
 * The certificate of a client, from what users wrote.
 *
 * @throws EvertokenError `invalid_configuration`, `empty_secret`.
 */
export function resolveCertificate(options: ClientOptions): ClientCertificate | undefined {
  const { clientCertificate: given, clientCertificateFile: file, clientKeyFile: keyFile } = options
  if (given !== undefined && (file ?? keyFile) !== undefined)
    throw invalid('clientCertificate and files of one are both given', 'Keep one of the two.')
  if (given !== undefined) {
    const { certificate } = given
    if (typeof certificate !== 'string') throw new TypeError('clientCertificate.certificate must be a string')
    return Object.freeze({ certificate, key: checkedSecret(given.key, 'clientCertificate.key') })
  }
  if (file === undefined && keyFile === undefined) return undefined
  if (file === undefined || keyFile === undefined)
    throw invalid(
      `${file === undefined ? 'clientKeyFile' : 'clientCertificateFile'} is given alone`,
      'A certificate and its key go together: name a file for each, or the same file twice.',
    )
  checkedPath(file, 'clientCertificateFile')
  checkedPath(keyFile, 'clientKeyFile')
  return Object.freeze({ certificateFile: file, keyFile })
}
