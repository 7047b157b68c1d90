import { type AccessToken, EvertokenError } from 'evertoken'

/**
 * Refuses to hand out a token that is worth nothing by itself: whoever shows it has to show a key as well, which leaves this
 * process for nobody.
 *
 * @throws EvertokenError `sender_constrained`.
 */
export function refuseSenderConstrained(
  grant: string,
  { presentation }: Pick<AccessToken, 'presentation'>,
): void {
  const { proof, certificate } = presentation ?? {}
  if (certificate === true)
    throw new EvertokenError(
      'sender_constrained',
      `the token of ${grant} is bound to the certificate of its client, whose key leaves evertoken for nobody (RFC 8705)`,
      {
        grant,
        advice:
          'Spend it through the library on the store, over connections with that certificate; or have the provider bind it to none.',
      },
    )
  if (proof === undefined) return
  throw new EvertokenError(
    'sender_constrained',
    `the token of ${grant} is bound to a key that leaves evertoken for nobody (DPoP, RFC 9449)`,
    {
      grant,
      advice:
        'Spend it through the library on the store, whose authorizedFetch proves each request; or add the grant with dpop: false where the provider lets you.',
    },
  )
}
