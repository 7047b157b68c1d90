import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.join(import.meta.dirname, '..')
const callbacks = 'server/test/broker/bad-callbacks.test.ts'
const requests = 'server/test/broker/bad-requests.test.ts'
const wire = 'server/test/broker/wire.test.ts'
const addresses = 'library/test/oauth/address-check.test.ts'
const rows = 'test/faults/damaged-rows.test.ts'

/** Bad inputs that somebody thought of, and a part of the name of the test that tries each. */
const tried: readonly (readonly [string, string, string])[] = [
  ['callback: no state', callbacks, 'without a state'],
  ['callback: unknown state', callbacks, 'with an unknown state'],
  ['callback: replayed code', callbacks, 'whose code was used before'],
  ['callback: code of another provider, iss wrong', callbacks, 'whose iss is another'],
  ['callback: iss missing', callbacks, 'whose iss is missing'],
  ['callback: iss with a trailing slash', callbacks, 'whose iss has a slash more'],
  ['callback: error and code together', callbacks, 'with an error and a code together'],
  ['callback: in another browser', callbacks, 'in another browser is refused'],
  ['callback: code of 1 MiB', 'library/test/oauth/authorization-code.test.ts', 'a code of 1 MiB'],
  ['callback: code with a line end', callbacks, 'with a line end in the code'],
  ['callback: script in error_description', callbacks, 'with a script in error_description'],
  ['callback: state of a finished grant', callbacks, 'of a consent that is over'],
  ['callback: state of a revoked grant', callbacks, 'of a grant that was revoked meanwhile'],
  ['callback: two tabs crossed', callbacks, 'in two tabs at one provider that come back crossed'],
  ['callback: another account', 'server/test/broker/other-account.test.ts', 'account'],
  ['broker: odd grant ids', requests, 'is no grant, like one that there is not'],
  ['broker: userId or tenant', requests, 'is not said by %s'],
  ['broker: key with a wrong tail', requests, 'by a key whose id is right and whose end is not'],
  ['broker: JWT of any kind', requests, 'is not said by a JWT with %s'],
  ['broker: reports in a loop', requests, 'of the newest generation, in a loop'],
  ['broker: reports of an old generation', requests, 'of an old generation brings the present token'],
  ['broker: reports for another grant', requests, 'of a generation that there has never been'],
  ['broker: force by a hundred callers', requests, 'a hundred who force a refresh'],
  ['broker: slow headers', wire, 'with the headers is cut off'],
  ['broker: slow body', wire, 'with the body is cut off'],
  ['broker: CONNECT', wire, 'CONNECT is not tunnelled'],
  ['broker: TRACE', wire, "'TRACE'"],
  ['broker: absolute-form', wire, 'an absolute address is answered by its path alone'],
  ['broker: clock of the caller', requests, 'a caller whose clock is off'],
  ['store: metadata address', addresses, 'https://169.254.169.254/latest'],
  ['store: odd loopback address', addresses, "'127.1'"],
  ['store: mapped private address', addresses, '[::ffff:10.0.0.1]'],
  ['store: rebinding name', addresses, 'a name that is rebound after its check gains nothing'],
  ['store: user information in an address', 'library/test/oauth/token-endpoint.test.ts', 'good@evil.example'],
  ['store: issuer mismatch', 'library/test/oauth/discovery.test.ts', 'is issuer_mismatch'],
  [
    'store: endpoint on another host',
    'library/test/grants/endpoint-hosts.test.ts',
    'does not move away from the issuer',
  ],
  ['store: row swapped', rows, 'was swapped with that of another grant'],
  ['store: ciphertext cut', rows, 'was cut'],
  ['store: unknown key id', rows, 'names a key that is not there'],
  [
    'store: older backup restored',
    'test/faults/copies.test.ts',
    'put back in place of the newer one sends nothing',
  ],
  ['store: two clusters of one backup', 'test/faults/copies.test.ts', 'serves and sends nothing'],
  [
    'store: spool of another cluster',
    'library/test/stores/spool-damage.test.ts',
    'by another store is not ours',
  ],
  ['store: spool entry twice', 'library/test/stores/spool-damage.test.ts', 'twice is drained once'],
  ['store: spool entry torn', 'library/test/stores/spool-damage.test.ts', 'a torn one is no damage'],
  ['store: spool entries out of order', 'library/test/grants/drain.test.ts', 'in one file out of order'],
]

test.each(tried)('%s is tried in %s', (_, file, name) => {
  expect(fs.readFileSync(path.join(root, file), 'utf8')).toContain(name)
})
