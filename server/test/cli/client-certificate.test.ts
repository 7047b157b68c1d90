import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { selfSigned } from '../../../library/test/oauth/certificate.ts'
import { certifiedServer, sha256Of } from '../../../library/test/oauth/certified-server.ts'
import { evertoken, folder } from './command.ts'

/** A provider that looks at certificates, and files with that of a client. */
async function bank() {
  const { origin, ca, requests } = await certifiedServer()
  const place = folder()
  const mine = selfSigned('client.example')
  const texts = {
    'ca.pem': ca,
    'tls.crt': mine.cert,
    'tls.key': mine.key,
    'other.key': selfSigned('x.example').key,
  }
  for (const [name, text] of Object.entries(texts)) fs.writeFileSync(path.join(place, name), text)
  const add = (...files: string[]) => {
    const flags = [
      '--type',
      'client_credentials',
      '--token-url',
      `${origin}/token`,
      '--client-id',
      'client-1',
    ]
    return evertoken(['add', 'bank', '--data', 'data', ...flags, ...files], {
      cwd: place,
      env: { NODE_EXTRA_CA_CERTS: path.join(place, 'ca.pem') },
    })
  }
  return { add, requests, mine, place }
}

test('evertoken add shows the certificate of the files that it is given, and needs no secret', async () => {
  const { add, requests, mine } = await bank()
  const { code, stdout } = await add('--client-certificate-file', 'tls.crt', '--client-key-file', 'tls.key')
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('added bank: active') })
  expect(requests).toMatchObject([{ certificate: sha256Of(mine.cert), form: { client_id: 'client-1' } }])
})

test('a key of another certificate is told with both files, and nothing is sent', async () => {
  const { add, requests, place } = await bank()
  const { code, stderr } = await add('--client-certificate-file', 'tls.crt', '--client-key-file', 'other.key')
  expect(code).toBe(2)
  expect(stderr).toContain(`${place}/tls.crt and ${place}/other.key do not belong together`)
  expect(stderr).not.toContain('PRIVATE')
  expect(requests).toEqual([])
})

test('a certificate without a file of its key is refused at once', async () => {
  const { add } = await bank()
  const { code, stderr } = await add('--client-certificate-file', 'tls.crt')
  expect([code, stderr]).toEqual([2, expect.stringContaining('client_certificate_file is given alone')])
})
