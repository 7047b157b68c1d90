import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

const tlv = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts)
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const sequence = (...parts: Uint8Array[]): Buffer => tlv(0x30, ...parts)
const ecdsaWithSha256 = sequence(tlv(0x06, Buffer.from('2a8648ce3d040302', 'hex')))
const subjectAltName = tlv(0x06, Buffer.from('551d11', 'hex'))
const basicConstraints = tlv(0x06, Buffer.from('551d13', 'hex'))
const commonName = tlv(0x06, Buffer.from('550403', 'hex'))
const yes = tlv(0x01, Buffer.from([0xff]))

/** A certificate and its key, both PEM. */
export interface IssuedCertificate {
  readonly cert: string
  readonly key: string
}

/** Self-signed, for names of hosts or the address 127.0.0.1; `notAfter` as YYYYMMDD. */
export const selfSigned = (name: string, notAfter?: string): IssuedCertificate =>
  issued({ name, subject: selfSigner, ...(notAfter === undefined ? {} : { notAfter }) })

/** One that may sign others. */
export const certificateAuthority = (): IssuedCertificate =>
  issued({ name: 'authority.example', subject: authority, isAuthority: true })

/** What an authority says of a name. */
export const signedBy = ({ key }: IssuedCertificate, name: string): IssuedCertificate =>
  issued({ name, subject: `evertoken test of ${name}`, authorityKey: createPrivateKey(key) })

const selfSigner = 'evertoken test'
const authority = 'evertoken test authority'

interface Issue {
  readonly name: string
  readonly subject: string
  readonly notAfter?: string
  readonly isAuthority?: boolean
  /** Absent: its own. */
  readonly authorityKey?: KeyObject
}

function issued({
  name,
  subject,
  notAfter = '20991231',
  isAuthority = false,
  authorityKey,
}: Issue): IssuedCertificate {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const isAddress = /^[\d.]+$/.test(name)
  const alternative = isAddress
    ? tlv(0x87, Buffer.from(name.split('.').map(Number)))
    : tlv(0x82, Buffer.from(name))
  const called = (who: string) => sequence(tlv(0x31, sequence(commonName, tlv(0x0c, Buffer.from(who)))))
  const moment = (day: string) => tlv(0x18, Buffer.from(`${day}000000Z`))
  const extensions = [
    sequence(subjectAltName, tlv(0x04, sequence(alternative))),
    ...(isAuthority ? [sequence(basicConstraints, yes, tlv(0x04, sequence(yes)))] : []),
  ]
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    called(authorityKey === undefined ? subject : authority),
    sequence(moment('20200101'), moment(notAfter)),
    called(subject),
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions)),
  )
  const signature = tlv(0x03, Buffer.from([0]), sign('sha256', body, authorityKey ?? privateKey))
  const pem = sequence(body, ecdsaWithSha256, signature).toString('base64').replace(/.{64}/g, '$&\n')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${pem}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
}
