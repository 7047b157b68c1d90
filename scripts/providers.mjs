// Writes docs/providers.md from the profiles of the catalogue. `--check` writes nothing and fails where the page is another.

import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const catalogue = path.join(root, 'library', 'src', 'providers', 'catalogue')
const page = path.join(root, 'docs', 'providers.md')

const profiles = fs
  .readdirSync(catalogue)
  .map((file) => JSON.parse(fs.readFileSync(path.join(catalogue, file), 'utf8')))
  .sort((one, other) => (one.id < other.id ? -1 : 1))

const text = `# Providers

The ${profiles.length} providers of the catalogue: name one by its id (\`provider: google\`), or extend it (\`extends: google\`). Made by
\`node scripts/providers.mjs\` from \`library/src/providers/catalogue\`; change the profile, not this page.

- **unverified**: endpoints or lifetimes are only recalled and were checked against no source; you are warned when you log in. A
  value with \`(?)\` is only recalled, though the rest was read.
- **rotation**: whether a refresh brings another refresh token. **again**: what a used refresh token does when it comes again,
  and for how long; *strict* is also taken where nobody knows. **lives**: an access token, where the answer does not say.
- The id leads to what else is known of a provider: notes, traps, what you fill in, sources.

| id | name | authentication | rotation | again | lives | differs in | checked |
|---|---|---|---|---|---|---|---|
${profiles.map(row).join('\n')}

## Not in the catalogue

- **Trello** is OAuth 1.0a: its tokens are no OAuth 2 tokens and cannot be refreshed.
- **SHOPLINE** and **Alipay** want each request signed as a whole (HMAC or RSA over body and time): a profile is data, and what is signed is a program.
- **agiloft** wants an MD5 of its secret with each refresh. No key is made for that; Smartsheet, which takes a SHA-256 of secret and code, takes
  the secret itself as well.

## What is known of each

${profiles.map(section).join('\n\n')}
`

if (process.argv.includes('--check')) {
  if (!fs.existsSync(page) || fs.readFileSync(page, 'utf8') !== text) {
    console.error('docs/providers.md is not what the catalogue makes of it; node scripts/providers.mjs')
    process.exitCode = 1
  }
} else {
  fs.writeFileSync(page, text)
}

function row(profile) {
  const { id, name, client_authentication: authentication, lifetimes = {}, facts } = profile
  const doubt = doubts(facts)
  const life = lifetimes.never_expires
    ? `until revoked${doubt('lifetimes.never_expires')}`
    : lifetimes.assumed_lifetime
      ? duration(lifetimes.assumed_lifetime) + doubt('lifetimes.assumed_lifetime')
      : ''
  const again = [
    lifetimes.replay_class && lifetimes.replay_class.replaceAll('_', ' ') + doubt('lifetimes.replay_class'),
    lifetimes.reuse_window && duration(lifetimes.reuse_window) + doubt('lifetimes.reuse_window'),
  ]
  const cells = [
    `[${id}](#${id})`,
    name,
    authentication ? authentication.replace('client_secret_', '') + doubt('client_authentication') : '',
    lifetimes.rotation ? lifetimes.rotation + doubt('lifetimes.rotation') : '',
    again.filter(Boolean).join(', '),
    life,
    differences(profile).join(', '),
    facts.checked + (facts.confidence === 'recalled' ? ' **unverified**' : ''),
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

/** Marks a key that is recalled, itself or by what it lies in. Where a profile names none, the word in its row says it of all. */
function doubts({ recalled = [] }) {
  return (key) => (recalled.some((other) => key === other || key.startsWith(`${other}.`)) ? ' (?)' : '')
}

function differences(profile) {
  const { requests = {}, answer = {}, lifetimes = {}, consent = {}, variables = {}, api } = profile
  const any = (test) => Object.values(requests).some(test)
  return [
    profile.assertion && !profile.authorization_url && !requests.request && 'JWT bearer',
    requests.request && 'a request of its own',
    requests.login && 'login by password',
    requests.second_exchange && 'second exchange',
    profile.client_assertion && 'client assertion',
    !profile.token_url && !profile.issuer && 'no address of its own',
    ...Object.keys(variables).map((name) => `{${name}}`),
    any(({ body }) => body === 'json') && 'JSON',
    any(({ body }) => body === 'query') && 'query string',
    any(({ method }) => method === 'GET') && 'GET',
    requests.refresh?.url && 'refresh URL',
    any(({ rename }) => rename) && 'names',
    any(({ parameters }) => parameters?.grant_type !== undefined) && 'grant_type',
    any(({ headers }) => headers) && 'headers',
    profile.basic && 'HTTP Basic',
    requests.refresh?.send && `${requests.refresh.send.join(', ')} at refresh`,
    answer.refresh_token === '/access_token' && 'renewed by the access token',
    (answer.root || String(answer.access_token ?? '').lastIndexOf('/') > 0) && 'nested answer',
    answer.secondary_tokens && 'two tokens',
    answer.refresh_extends && 'a refresh extends the token',
    answer.expiry_format && `${answer.expiry_format} expiry`,
    (answer.success || answer.failure) && 'errors with status 200',
    profile.errors && 'error codes',
    answer.metadata && 'metadata',
    consent.offline_scope && `scope ${consent.offline_scope}`,
    consent.parameters && `consent ${Object.keys(consent.parameters).join(', ')}`,
    consent.pkce === 'none' && 'no PKCE',
    consent.pkce === 'S256_hex' && 'hexadecimal PKCE',
    consent.metadata && `callback ${consent.metadata.join(', ')}`,
    lifetimes.old_token_dies && 'old access token dies',
    lifetimes.minimum_age && `not before ${duration(lifetimes.minimum_age)}`,
    lifetimes.refresh_token_lifetime && `login ${duration(lifetimes.refresh_token_lifetime)}`,
    lifetimes.refresh_token_idle && `idle ${duration(lifetimes.refresh_token_idle)}`,
    lifetimes.login_limit && `${lifetimes.login_limit.count} per ${lifetimes.login_limit.per}`,
    api && `API ${[api.header, api.scheme].filter(Boolean).join(' ')}`,
  ].filter(Boolean)
}

function section(profile) {
  const { id, name, registration = {}, variables = {}, facts } = profile
  const lines = [
    ...Object.entries(variables).map(([key, variable]) => `\`{${key}}\`: ${variableText(variable)}`),
    ...(facts.notes ?? []),
    ...(registration.traps ?? []).map((trap) => `Trap: ${trap}`),
    ...(registration.steps ?? []).map((step, index) => `To register, ${index + 1}: ${step}`),
    registration.url && `Registered at <${registration.url}>.`,
    registration.redirect_uris && `Redirect URIs: ${registration.redirect_uris.join(', ')}.`,
    facts.recalled && `Recalled, not read: ${facts.recalled.map((key) => `\`${key}\``).join(', ')}.`,
    facts.sources.length === 0 && 'All of it is recalled, not read.',
    facts.confidence === 'recalled' && !profile.lifetimes && 'How long its tokens live is not known.',
    facts.sources.length > 0 && `Sources: ${facts.sources.map(source).join('; ')}.`,
  ].filter(Boolean)
  return `### ${id}\n\n${name}\n\n${lines.map((line) => `- ${line}`).join('\n')}`
}

function variableText({ description, default: usual, example, hosts, secret }) {
  const parts = [
    description,
    usual && `Default \`${usual}\`.`,
    example && `Such as \`${example}\`.`,
    hosts && `Hosts: ${hosts.map((host) => `\`${host}\``).join(', ')}.`,
    secret && 'A secret.',
  ]
  return parts.filter(Boolean).join(' ')
}

function source(text) {
  return text.startsWith('https://') && !text.includes(' ') ? `<${text}>` : `\`${text}\``
}

function duration(seconds) {
  const [unit, length] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ].find(([, size]) => seconds % size === 0 || seconds >= 48 * size)
  return `${Math.round((10 * seconds) / length) / 10} ${unit}`
}
