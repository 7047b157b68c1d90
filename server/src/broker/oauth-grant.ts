import { isGrantId } from 'evertoken'
import { OAuthRefusal } from './oauth-error.ts'
import type { OAuthForm } from './oauth-form.ts'

/** Which grant's token a form asks for, and what for. */
export interface RequestedGrant {
  readonly id: string
  /** What the provider is asked for; undefined: the grant's own scope. */
  readonly scope: string | undefined
  /** A resource indicator for the provider (RFC 8707). */
  readonly resource: string | undefined
  /** The scope of the answer, of what was granted: in the words in which it was asked for. */
  readonly answeredScope: (granted: readonly string[]) => string
  /** What is said of a grant that there is not, or not for this client. */
  readonly unknown: () => OAuthRefusal
}

const prefix = 'grant:'
/** As for `GET /v1/grants/{id}/token`. */
const longest = 2000

/**
 * A grant is named in one of three ways, whichever the client has a field for: `scope=grant:NAME`, with narrower scopes after it;
 * `resource=` its address at this broker (RFC 8707); `audience=NAME` (RFC 8693). With the last two every scope is the provider's.
 *
 * @param origin the broker's own, as its metadata say it.
 * @throws OAuthRefusal `invalid_scope`, `invalid_target`.
 */
export function requestedGrant(form: OAuthForm, origin: string): RequestedGrant {
  const scopes = bounded(form.get('scope')?.[0] ?? '', 'invalid_scope', 'scope')
    .split(' ')
    .filter((scope) => scope !== '')
  const resources = form.get('resource') ?? []
  for (const resource of resources) bounded(resource, 'invalid_target', 'resource')
  const place = `${origin}/v1/grants/`
  const addresses = resources.filter((resource) => resource.startsWith(place))
  const [resource, ...more] = resources.filter((other) => !other.startsWith(place))
  if (more.length > 0)
    throw new OAuthRefusal('invalid_target', 'one resource of the provider at most can be asked for')
  const targets = [
    ...addresses.map((address) => address.slice(place.length)),
    ...(form.get('audience') ?? []),
  ]
  return targets.length > 0 ? byTarget(targets, scopes, resource) : byScope(scopes, resource)
}

function byTarget(
  targets: readonly string[],
  scopes: readonly string[],
  resource: string | undefined,
): RequestedGrant {
  const id = theOne(targets, 'invalid_target')
  return {
    id,
    scope: joined(scopes),
    resource,
    answeredScope: (granted) => granted.join(' '),
    unknown: () => unknown('invalid_target', id),
  }
}

function byScope(scopes: readonly string[], resource: string | undefined): RequestedGrant {
  const named = scopes.filter((scope) => scope.startsWith(prefix)).map((scope) => scope.slice(prefix.length))
  if (named.length === 0)
    throw new OAuthRefusal(
      'invalid_scope',
      'no grant is named: send scope=grant:NAME, or resource= the address of the grant at this broker',
    )
  const id = theOne(named, 'invalid_scope')
  const narrowed = joined(scopes.filter((scope) => !scope.startsWith(prefix)))
  return {
    id,
    scope: narrowed,
    resource,
    // Clients compare it with what they sent, and take what they did not ask for as a fault.
    answeredScope: (granted) => [`${prefix}${id}`, ...(narrowed === undefined ? [] : granted)].join(' '),
    unknown: () => unknown('invalid_scope', id),
  }
}

function theOne(named: readonly string[], error: 'invalid_scope' | 'invalid_target'): string {
  const [id = '', ...others] = new Set(named)
  if (others.length > 0) throw new OAuthRefusal(error, 'more than one grant is named')
  if (!isGrantId(id)) throw new OAuthRefusal(error, 'there is no such grant for this client')
  return id
}

/** The same sentence for a grant that is not there and for one that this client may not read. */
const unknown = (error: 'invalid_scope' | 'invalid_target', id: string): OAuthRefusal =>
  new OAuthRefusal(error, `there is no grant ${id} for this client`)

const joined = (scopes: readonly string[]): string | undefined =>
  scopes.length === 0 ? undefined : scopes.join(' ')

function bounded(text: string, error: 'invalid_scope' | 'invalid_target', name: string): string {
  if (text.length > longest) throw new OAuthRefusal(error, `${name} has more than ${longest} characters`)
  return text
}
