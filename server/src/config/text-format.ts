/** One `format` of JSON Schema, as far as our schemas use it. */
interface TextFormat {
  readonly fits: (text: string) => boolean
  readonly expected: string
  readonly advice?: string
}

/** What stands for a variable of a profile. */
const placeholder = /\{([a-z][a-z0-9_]*)\}/g

/** A template as a URL, with a letter for every variable; null where it is none whatever they are. */
function exampleUrl(text: string): URL | null {
  const example = text.replaceAll(placeholder, 'x')
  return /[{}]/.test(example) ? null : URL.parse(example)
}

const isHttp = (url: URL | null): boolean => url !== null && /^https?:$/.test(url.protocol)

export const textFormats: Readonly<Record<string, TextFormat>> = {
  uri: { fits: (text) => isHttp(URL.parse(text)), expected: 'an https URL' },
  'uri-template': {
    // The scheme is the profile's to say: whoever fills in a variable must not choose it.
    fits: (text) => /^https?:\/\//i.test(text) && isHttp(exampleUrl(text)),
    expected: 'an https URL',
    advice: 'Variables stand in it as {name}: https://{tenant}.example.com/oauth/token.',
  },
  'json-pointer': {
    fits: (text) => /^(\/([^~/]|~[01])*)*$/.test(text),
    expected: 'a JSON pointer',
    advice: 'It begins with a slash, and has one before every name: /authorization/token.',
  },
  regex: { fits: isRegularExpression, expected: 'a regular expression' },
  date: {
    fits: (text) => /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)),
    expected: 'a date such as 2026-11-25',
  },
}

/** A user name in a URL hides another host, or is a secret where none belongs. */
export const hasCredentials = (text: string): boolean => {
  const url = exampleUrl(text)
  return url !== null && (url.username !== '' || url.password !== '')
}

function isRegularExpression(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp
  } catch {
    return false
  }
}
