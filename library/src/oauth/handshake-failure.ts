const untrusted =
  'its certificate is of an authority that this machine does not trust (NODE_EXTRA_CA_CERTS names a file with one more)'
const noTls = 'what answers there does not speak TLS, or none that this machine does'
const outOfTime = 'its certificate is out of its time, or the clock of this machine is wrong'

/** What the codes of Node and OpenSSL mean to somebody who has never seen one. */
const meanings: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  CERT_HAS_EXPIRED: outOfTime,
  CERT_NOT_YET_VALID: outOfTime,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  EPROTO: noTls,
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls,
}

/** A failure of the TLS handshake in words, behind its code; the detail alone for a code that says nothing to us. */
export function handshakeFailure(code: string, detail: string): string {
  const meaning = Object.hasOwn(meanings, code) ? meanings[code] : undefined
  return meaning === undefined ? detail : `${detail}: ${meaning}`
}
