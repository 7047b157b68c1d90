import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'

const tlv = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts)
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const sequence = (...parts: Uint8Array[]): Buffer => tlv(0x30, ...parts)
const ecdsaWithSha256 = sequence(tlv(0x06, Buffer.from('2a8648ce3d040302', 'hex')))
const subjectAltName = tlv(0x06, Buffer.from('551d11', 'hex'))
const commonName = tlv(0x06, Buffer.from('550403', 'hex'))

/** Self-signed, for names of hosts or the address 127.0.0.1; `notAfter` as YYYYMMDD. */
export function selfSigned(
  name: string,
  notAfter = '20991231',
): { readonly cert: string; readonly key: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const isAddress = /^[\d.]+$/.test(name)
  const alternative = isAddress
    ? tlv(0x87, Buffer.from(name.split('.').map(Number)))
    : tlv(0x82, Buffer.from(name))
  const who = sequence(tlv(0x31, sequence(commonName, tlv(0x0c, Buffer.from('evertoken test')))))
  const moment = (day: string) => tlv(0x18, Buffer.from(`${day}000000Z`))
  const extensions = tlv(0xa3, sequence(sequence(subjectAltName, tlv(0x04, sequence(alternative)))))
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    who,
    sequence(moment('20200101'), moment(notAfter)),
    who,
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    extensions,
  )
  const signature = tlv(0x03, Buffer.from([0]), sign('sha256', body, privateKey))
  const pem = sequence(body, ecdsaWithSha256, signature).toString('base64').replace(/.{64}/g, '$&\n')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${pem}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
}
