import { webAddress } from './address.ts'
import { fillTemplate, namesIn } from './template.ts'

/** What stands for a name in an address, and which hosts may come of it. */
export interface AddressValue {
  readonly value: string
  /** A host, or `*.suffix` for one label or more before a suffix. */
  readonly hosts?: readonly string[] | undefined
  /** Whoever fills it in chooses the host. */
  readonly anyHost?: boolean | undefined
}

/** Why an address cannot be made. `name`: what it is that does not fit; absent where it is the template itself. */
export interface AddressProblem {
  readonly name?: string
  readonly problem: string
}

/** A template taken apart. `whole`: its beginning is a variable that holds scheme and host, and maybe a path. */
interface AddressShape {
  readonly whole?: string
  readonly scheme: string
  /** With a port, where one is written. */
  readonly authority: string
  /** Path and query. */
  readonly rest: string
}

const beginsWithName = /^\{([a-z][a-z0-9_]*)\}(\/[^\\#]*)?$/
const written = /^(https?):\/\/([^/?#\\@]+)((?:[/?][^\\#]*)?)$/

function shapeOf(template: string): AddressShape | undefined {
  const whole = beginsWithName.exec(template)
  if (whole !== null) return { whole: whole[1] as string, scheme: '', authority: '', rest: whole[2] ?? '' }
  const [match, scheme = '', authority = '', rest = ''] = written.exec(template) ?? []
  return match === undefined ? undefined : { scheme, authority, rest }
}

const portOf = (authority: string): string => /:(\d+)$/.exec(authority)?.[1] ?? ''

/**
 * What of the host a template itself fixes: the text behind its last variable, where that begins with a dot and has two labels,
 * so that nobody who fills it in can choose who owns the host.
 */
function fixedSuffix(authority: string): string | undefined {
  const suffix = authority.slice(authority.lastIndexOf('}') + 1).replace(/:\d+$/, '')
  return /^(\.[A-Za-z0-9-]+){2,}$/.test(suffix) ? suffix.toLowerCase() : undefined
}

/** What is wrong with a template, whatever its variables hold. `constrained`: whether the hosts of a variable are limited or free. */
export function templateProblem(
  template: string,
  constrained: (name: string) => boolean,
): AddressProblem | undefined {
  const shape = shapeOf(template)
  if (shape === undefined)
    return {
      problem: 'is no http address without user information and fragment: https://auth.example.com/token',
    }
  const inHost = shape.whole === undefined ? namesIn(shape.authority) : [shape.whole]
  if (shape.whole === undefined && fixedSuffix(shape.authority) !== undefined) return undefined
  const free = inHost.find((name) => !constrained(name))
  return free === undefined
    ? undefined
    : { name: free, problem: 'would choose the host: say which with hosts' }
}

/**
 * Fills an address in. The host that comes of it is one of those that the variables in it allow, or ends as the template says;
 * nothing in a value can move it elsewhere, for the URL must be read just as it was put together. Behind the host values are
 * percent-encoded.
 */
export function fillAddress(
  template: string,
  values: Readonly<Record<string, AddressValue>>,
): string | AddressProblem {
  const given = (name: string): AddressValue | undefined =>
    Object.hasOwn(values, name) ? values[name] : undefined
  const empty = namesIn(template).find((name) => (given(name)?.value ?? '') === '')
  if (empty !== undefined) return { name: empty, problem: 'is empty' }
  // A lone surrogate has no encoding.
  const broken = namesIn(template).find((name) => given(name)?.value.isWellFormed() === false)
  if (broken !== undefined) return { name: broken, problem: 'is no text' }
  const shape = shapeOf(template)
  if (shape === undefined) return { problem: 'is no http address' }
  const dots = namesIn(shape.rest).find((name) => /^\.+$/.test(given(name)?.value ?? ''))
  if (dots !== undefined) return { name: dots, problem: 'would change the path' }

  const names = shape.whole === undefined ? namesIn(shape.authority) : [shape.whole]
  const raw = (name: string): string | undefined => given(name)?.value
  const head =
    shape.whole === undefined
      ? `${shape.scheme}://${fillTemplate(shape.authority, raw)}`
      : (given(shape.whole)?.value.replace(/\/$/, '') ?? '')
  const address = `${head}${fillTemplate(shape.rest, (name) => encodeURIComponent(raw(name) as string))}`
  const [name] = names
  if (name === undefined)
    return webAddress(address) === undefined ? { problem: 'is no http address' } : address
  const url = readAsWritten(shape, head, address)
  if (url === undefined) return { name, problem: 'makes no host name' }
  const refused = names.find((one) => !allows(given(one), shape, url))
  return refused === undefined ? address : { name: refused, problem: 'makes a host that is not allowed' }
}

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/**
 * The URL, if a parser finds the very scheme, host and port in it that were put together, and a host name of plain labels: no
 * rewriting of numbers, dots of other scripts, percent signs or line breaks.
 */
function readAsWritten(shape: AddressShape, head: string, address: string): URL | undefined {
  const [, scheme = '', authority = '', path = ''] = written.exec(head) ?? []
  const url = webAddress(address)
  if (url === undefined || url.protocol !== `${scheme}:` || path.includes('?')) return undefined
  const usual = scheme === 'https' ? /:443$/ : /:80$/
  if (url.host !== authority.toLowerCase().replace(usual, '')) return undefined
  const isLiteralAddress = url.hostname.startsWith('[')
  if (!isLiteralAddress && !url.hostname.split('.').every((part) => label.test(part))) return undefined
  const below = `${path}${shape.rest}`.split('?')[0] as string
  return url.pathname.split('/').length === (below === '' ? 2 : below.split('/').length) ? url : undefined
}

function allows(value: AddressValue | undefined, shape: AddressShape, url: URL): boolean {
  if (value?.hosts !== undefined && !value.hosts.some((host) => isHost(url.hostname, host))) return false
  if (value?.anyHost === true) return true
  const port = shape.whole === undefined ? portOf(shape.authority) : ''
  const usual = url.protocol === 'https:' ? '443' : '80'
  if (url.port !== (port === usual ? '' : port)) return false
  if (value?.hosts !== undefined) return true
  const suffix = shape.whole === undefined ? fixedSuffix(shape.authority) : undefined
  return suffix !== undefined && url.hostname.endsWith(suffix)
}

/** Whether a host is the one of the pattern, or ends in a dot and the suffix of `*.suffix`. */
function isHost(hostname: string, pattern: string): boolean {
  const wanted = pattern.toLowerCase()
  return wanted.startsWith('*.') ? hostname.endsWith(wanted.slice(1)) : hostname === wanted
}
