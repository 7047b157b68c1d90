// Writes docs/errors.md: every code of the library with what the broker and the command make of it. `--check` writes nothing and
// fails where the page is another.

import fs from 'node:fs'
import path from 'node:path'
import { type ErrorCode, errorCodes } from 'evertoken'
import { problemKinds } from '../server/src/broker/problem.ts'
import { exitCodeOf, exitCodes } from '../server/src/cli/exit-code.ts'

/** What happened, and what to do about it. */
type Meaning = readonly [happened: string, next: string]

/** By subject, in the order of the page. A code that stands nowhere here does not compile. */
const subjects = {
  'The grant': {
    unknown_grant: [
      'There is no grant of that name in the store that was asked.',
      'The message names the store: look for the name with `evertoken list`, or point `--data`, `EVERTOKEN_DATA` or `--broker` at the right one.',
    ],
    grant_exists: [
      'There is a grant of that name already.',
      'Take another name, `keeper.ensure` where a changed description is meant, or remove the old one first.',
    ],
    invalid_grant_id: [
      'This cannot name a grant.',
      'Letters, digits, dot, dash and underscore, beginning with a letter or digit, at most 128.',
    ],
    grant_pending: [
      'A person has not consented yet.',
      '`evertoken login NAME`, `keeper.beginConsent`, or a link from `POST /v1/grants/{id}/connect`.',
    ],
    grant_paused: ['Somebody paused the grant.', '`evertoken resume NAME`.'],
    grant_quarantined: [
      'A row of the grant does not decrypt, or an answer was for another account; it is set aside and nothing is sent.',
      'Look at the reason with `evertoken show NAME`; then `resume`, or log in again.',
    ],
    grant_revoked: ['The login was ended on purpose.', 'Log in again, or remove the grant.'],
    reauthorization_required: [
      'The provider refused the login several times over ten minutes: it is over.',
      'A person logs in again: `evertoken login NAME`; for a login that was handed in, `evertoken replace NAME` takes the refresh token of another. The grant keeps its name, labels and readers. Where nobody logs in (client credentials, assertions, requests, exchanges) mend what was refused, then `evertoken resume NAME`.',
    ],
    refresh_too_soon: [
      'The provider takes no refresh so soon after the one before (`minimum_age`).',
      'The message says when it does. The token that there is stays good meanwhile.',
    ],
    token_unavailable: [
      'There is no token now that has not expired, and a refresh has not brought one in the time that a reader waits.',
      'The cause stands beside it (`lastError` of `evertoken show NAME`); ask again later.',
    ],
  },
  "The provider's words, and what is no answer": {
    invalid_grant: [
      'The provider refused the refresh token, the code or the assertion (RFC 6749 section 5.2).',
      'Of a refresh token nothing is to be done at once: it is confirmed first. A code is good once and for minutes: begin again. An assertion: check key, issuer, audience and the clock.',
    ],
    invalid_client: [
      'The provider did not let the client in: id, secret, key or certificate are wrong. The login is untouched.',
      'Correct the client where it is described: in `evertoken.yaml` or in the program; of a grant that was added by hand `evertoken replace NAME` takes another secret. The grant goes on by itself.',
    ],
    invalid_scope: [
      'The scope is unknown to the provider, malformed, or more than was granted.',
      'Ask for less, or have a person consent to more.',
    ],
    sender_constrained: [
      'The token is bound to a key or certificate that stays here (RFC 9449, RFC 8705): without it the token is worth nothing.',
      'Use it where the key is: `keeper.source(…)` with `authorizedFetch`.',
    ],
    invalid_target: [
      'The provider gives no token for that resource (RFC 8707 section 2).',
      'Ask for one that it knows. The grant goes on.',
    ],
    provider_error: [
      'The provider answered with an error of another kind; its own code and description are in `error` and `errorDescription`.',
      'It is tried again with growing pauses. Where it stays, a rule under `errors` of the profile can say what it means.',
    ],
    provider_unreachable: [
      'No connection came about; nothing was sent.',
      'Check name, network and proxy. It is tried again.',
    ],
    provider_timeout: [
      'No whole answer came in time.',
      'It is looked after by itself, as carefully as the provider treats used refresh tokens.',
    ],
    provider_answer_unusable: [
      'What came is no token answer: no JSON, too large, cut, or without a token.',
      'See the exchange with `EVERTOKEN_LOG=wire`; a profile may have to say where the token stands.',
    ],
    provider_redirect: [
      'The endpoint answered with a redirect, which is never followed with secrets.',
      'Configure the address that it points to, if you trust it.',
    ],
    discovery_failed: [
      "The issuer's metadata could not be read.",
      'Check the issuer, or name the endpoints.',
    ],
    issuer_mismatch: [
      'The metadata or the answer names another issuer than the configured one (RFC 8414 section 3.3, RFC 9207).',
      'Configure the issuer exactly as the provider writes it; if it did not change, do not go on.',
    ],
    endpoint_moved: [
      'An issuer that is known names an endpoint at another host than before; nothing was sent there.',
      'If the provider announced it, name the host: `endpoint_hosts` of the client, or `--endpoint-host`.',
    ],
    private_address: [
      'The address lies in a private network, or is one of metadata services and link-local ones; nothing was sent.',
      '`private_network: true` on that client, or at the top of evertoken.yaml, where the provider is in a network of yours. Metadata and link-local addresses stay closed.',
    ],
    insecure_http: [
      'A secret would have gone over plain http to another machine.',
      'Use https, or `insecure_http: true` on that client where you know the network.',
    ],
  },
  "A person's consent": {
    state_missing: ['The answer has no `state`.', 'Begin the login again.'],
    state_unknown: [
      'The answer belongs to no login under way: used, older than ten minutes, begun in another browser, or before its grant was revoked.',
      'Begin the login again and finish it in the same browser.',
    ],
    consent_denied: ['The person, or the provider, said no.', 'Begin again when they agree.'],
    id_token_invalid: [
      'The id_token of the answer is missing, expired, or not for this client or this login (OpenID Connect Core section 3.1.3.7).',
      'Begin again. Where it stays, check client id and issuer, and look with `EVERTOKEN_LOG=wire`.',
    ],
    other_account: [
      'Somebody else logged in than the login was for.',
      'Log in with the account of before, or say that it is meant: `evertoken login NAME --other-account`.',
    ],
    no_refresh_token: [
      'The provider gave no refresh token, so the login ends with its access token.',
      'Ask for the scope or parameter by which it gives one (`offline_access`, `access_type=offline`); `evertoken provider show` knows it for many.',
    ],
  },
  'Configuration and files': {
    invalid_configuration: [
      'A value is wrong; the message names the key, and the file and line where there is one.',
      'Correct it.',
    ],
    unknown_key: ['A key that does not exist.', 'The message names the nearest that does.'],
    missing_environment_variable: [
      'The configuration names an environment variable that is not set.',
      'Set it, or use the `…_file` key.',
    ],
    empty_secret: ['A secret is empty.', 'Fill it in; an empty environment variable is the usual cause.'],
    key_file_unreadable: [
      'A file with a key or secret cannot be read, or cannot be made.',
      'Check path, owner and mode, of its folder too.',
    ],
    key_file_too_open: ['Others than its owner may read a key file.', '`chmod 600` it.'],
  },
  'The store': {
    wrong_encryption_key: [
      'The master key is not the one that this store was made with.',
      'Bring the old key back; nothing was changed.',
    ],
    store_newer: ['A newer evertoken wrote this store.', 'Upgrade this program.'],
    store_damaged: [
      'The store, or a row of it, cannot be read.',
      'Restore a backup, then `evertoken adopt`.',
    ],
    store_unavailable: [
      'The store does not answer, or does not answer in time.',
      'It is tried again; look at the database.',
    ],
    store_not_durable: [
      'A refresh token that rotates would be kept in memory alone.',
      'Use a store, give `save`, or say `ephemeral: true` where losing the login is understood.',
    ],
    store_foreign: [
      'The store is a copy: restored or cloned.',
      'End the other copy, then `evertoken adopt`.',
    ],
    spool_unavailable: [
      'Answers of providers cannot be kept on this disk, so nothing that cannot be repeated is sent.',
      'Give the folder space and rights.',
    ],
    disk_full: ['The disk under the store is full.', 'Make room; nothing was lost.'],
  },
  'The broker and the command': {
    unauthorized: ['No API key, or a wrong one.', 'Send `Authorization: Bearer evt_…`.'],
    forbidden: ['The key does not allow that.', 'Use a key with the right.'],
    not_found: ['There is nothing at that address.', '`GET /openapi.json` lists what there is.'],
    invalid_request: ['The request or the arguments make no sense; the message says which.', 'Correct them.'],
    port_taken: ['Another program listens there.', '`--listen` with another port.'],
    listen_not_loopback: [
      'The address is open to other machines, and nothing there ends TLS.',
      'Give `tls`, or `behind_tls_proxy: true` where a proxy of this machine does, or listen on 127.0.0.1.',
    ],
    broker_unreachable: [
      'The broker does not answer.',
      'Check the address; tokens that still live go on being served by `brokerSource`.',
    ],
    server_package_missing: ['`@evertoken/server` is not installed.', '`npm install @evertoken/server`.'],
    usage: ['The command line is wrong.', '`--help` has an example for every command.'],
    closed: ['The keeper was closed, or the broker is stopping.', 'Open a new one; ask again.'],
    internal: ['A fault of evertoken.', 'Please report it, with the message; it holds no secret.'],
  },
} as const satisfies Readonly<Record<string, Partial<Readonly<Record<ErrorCode, Meaning>>>>>

type Described = { [S in keyof typeof subjects]: keyof (typeof subjects)[S] }[keyof typeof subjects]
const complete: Described extends ErrorCode ? (ErrorCode extends Described ? true : never) : never = true

const row = ([code, [happened, next]]: [string, Meaning]): string =>
  `| \`${code}\` | ${happened} | ${next} | ${problemKinds[code as ErrorCode].status} | ${exitCodeOf(code)} |`

const section = ([subject, codes]: [string, Partial<Record<ErrorCode, Meaning>>]): string =>
  [
    `## ${subject}`,
    '',
    '| code | what happened | what to do | HTTP | exit |',
    '|---|---|---|---|---|',
    ...Object.entries(codes).map(row),
  ].join('\n')

const page = `# Errors

Every error that evertoken throws on purpose is an \`EvertokenError\` with a stable \`code\`, the same in the library, in the broker's problem
details (RFC 9457) and in the command's \`--json\`. \`message\` says what happened, \`grant\` to which grant, \`advice\` what to do next, \`cause\` what
lay below. None of them holds a secret. What a provider said stands in the member \`provider\` of problem details (\`status\`, \`error\`,
\`error_description\`), and \`brokerRefusal\` makes the error of them that they were. This page is made by \`scripts/errors.ts\` from the codes themselves.

\`\`\`ts
import { EvertokenError, InvalidGrantError, Keeper, memoryStore } from 'evertoken'

await using keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }) })
try {
  await keeper.getToken('billing')
} catch (error) {
  if (error instanceof InvalidGrantError) console.log('the provider refused it', error.errorDescription)
  else if (error instanceof EvertokenError) console.log(error.code, error.advice)
  else throw error
}
\`\`\`

| class | of | more |
|---|---|---|
| \`EvertokenError\` | every code | \`code\`, \`grant\`, \`advice\` |
| \`ProviderError\` | what a provider answered, or did not | \`status\`, \`error\`, \`errorDescription\`, \`retryAfter\` (seconds) |
| \`InvalidGrantError\`, \`InvalidScopeError\` | those two answers (RFC 6749 section 5.2) | as \`ProviderError\` |
| \`ReauthorizationRequiredError\` | \`reauthorization_required\` | |
| \`ConfigurationError\` | configuration, environment and files | \`file\`, \`line\` |

The ${errorCodes.length} codes. *HTTP* is the status of the broker's answer, *exit* what the command ends with:

${Object.entries(exitCodes)
  .map(([code, meaning]) => `- ${code}: ${meaning}`)
  .join('\n')}

${Object.entries(subjects).map(section).join('\n\n')}
`

const file = path.join(import.meta.dirname, '..', 'docs', 'errors.md')
if (!process.argv.includes('--check')) fs.writeFileSync(file, page)
else if (!complete || !fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== page) {
  console.error('docs/errors.md is not what the codes make of it; run scripts/errors.ts')
  process.exitCode = 1
}
