import { type Command, Option } from 'commander'
import { clientAuthenticationMethods } from '../config/client-authentication.ts'
import type { AddOptions } from './add.ts'
import type { Change } from './change.ts'
import type { Environment } from './environment.ts'
import { collected, countOf, pairs, portOf, secondsOf } from './flag-values.ts'
import type { GrantsOptions } from './grants.ts'
import type { LoginOptions } from './login.ts'
import type { NoticesOptions } from './notices.ts'
import type { RemoveOptions } from './remove.ts'
import type { ReplaceOptions } from './replace.ts'
import type { RevokeOptions } from './revoke.ts'
import type { TokenOptions } from './token.ts'
import type { ValidateOptions } from './validate.ts'

const name = ['<name>', 'the grant'] as const

/** The commands on grants, in a local store or at a broker. */
export function registerGrantCommands(program: Command, environment: Environment): void {
  described(onGrants(program.command('add')))
    .description('put a grant under a name; asks for what is missing')
    .argument(...name)
    .addOption(
      new Option('--type <type>', 'how the grant is obtained').choices([
        'client_credentials',
        'authorization_code',
        'jwt_bearer',
        'refresh_token',
        'password',
        'token_exchange',
        'request',
      ]),
    )
    .option('--no-check', 'do not fetch a first token to prove the grant')
    .addHelpText('after', examples.add)
    .action(async (id: string, options: AddOptions) =>
      (await import('./add.ts')).add(id, options, environment),
    )

  secrets(onGrants(program.command('replace')))
    .description('put another client secret or refresh token in the place of its own; local store')
    .argument(...name)
    .option('--no-check', 'do not fetch a token to prove it')
    .addHelpText('after', examples.replace)
    .action(async (id: string, options: ReplaceOptions) =>
      (await import('./replace.ts')).replace(id, options, environment),
    )

  described(onGrants(program.command('login')))
    .description('consent to a grant in the browser, or log in by password, for the first time or again')
    .argument('<name>', 'the grant; with --as the provider')
    .addOption(
      new Option('--as <grant>', 'the name of the grant, where the argument is the provider').conflicts([
        'provider',
        'profileFile',
        'issuer',
        'tokenUrl',
      ]),
    )
    .option('--port <port>', 'port of the redirect URI http://127.0.0.1:PORT/callback; default: any', portOf)
    .option('--paste', 'the browser is on another machine: paste the address at which it ends')
    .addOption(
      new Option('--device', 'no browser here: type a code on any device (RFC 8628); local store').conflicts([
        'paste',
        'port',
      ]),
    )
    .option('--no-open', 'print the link and open no browser')
    .option('--other-account', 'whoever logs in may be another than before; the grant is theirs then')
    .addOption(
      new Option(
        '--username <name>',
        'log in by user name and password, where the provider has nothing else; local store',
      ).conflicts(['paste', 'port', 'device']),
    )
    .option('--password-file <file>', 'holds the password, which is used once; mode 0600; - is stdin')
    .option('--password-env <variable>', 'the environment variable that holds it; default: it is asked for')
    .addHelpText('after', examples.login)
    .action(async (id: string, options: LoginOptions) =>
      (await import('./login.ts')).login(id, options, environment),
    )

  onGrants(program.command('token'))
    .description('print a token that works; in a pipe the token and nothing else')
    .argument(...name)
    .option('--min-ttl <seconds>', 'how long it must still live', secondsOf)
    .option('--scope <scope>', 'a narrower scope than the grant has; may be repeated', collected)
    .option('--resource <uri>', 'a resource (RFC 8707)')
    .option('--show', 'also on a terminal, which shows and remembers it')
    .addHelpText('after', examples.token)
    .action(async (id: string, options: TokenOptions) =>
      (await import('./token.ts')).token(id, options, environment),
    )

  onGrants(program.command('list'))
    .description('all grants: state, time left, last error')
    .addHelpText('after', '\nExample:\n  $ evertoken list')
    .action(async (options: GrantsOptions) => (await import('./list.ts')).list(options, environment))

  onGrants(program.command('show'))
    .description('everything that may be read of one grant; never a token')
    .argument(...name)
    .addHelpText('after', '\nExample:\n  $ evertoken show billing --json')
    .action(async (id: string, options: GrantsOptions) =>
      (await import('./show.ts')).show(id, options, environment),
    )

  const changes: [Change, string][] = [
    ['refresh', 'fetch a new token now, whatever the schedule says'],
    ['pause', 'stop refreshing and handing out, until resumed'],
    ['resume', 'end a pause; or try again what was given up and nobody logs in to'],
  ]
  for (const [change, description] of changes)
    onGrants(program.command(change))
      .description(description)
      .argument(...name)
      .addHelpText('after', `\nExample:\n  $ evertoken ${change} billing`)
      .action(async (id: string, options: GrantsOptions) =>
        (await import('./change.ts')).change(change, id, options, environment),
      )

  onGrants(program.command('validate'))
    .description('whether the present token is good, and how that is known; changes nothing')
    .argument(...name)
    .option('--scope <scope>', 'of the token for that scope; may be repeated', collected)
    .option('--resource <uri>', 'of the token for that resource (RFC 8707)')
    .addHelpText('after', '\nExample:\n  $ evertoken validate work || evertoken refresh work')
    .action(async (id: string, options: ValidateOptions) =>
      (await import('./validate.ts')).validate(id, options, environment),
    )

  onGrants(program.command('revoke'))
    .description('end a login, here and at the provider')
    .argument(...name)
    .option('--yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  $ evertoken revoke work --yes')
    .action(async (id: string, options: RevokeOptions) =>
      (await import('./revoke.ts')).revoke(id, options, environment),
    )

  onGrants(program.command('notices'))
    .description('what people must know: logins at risk, lost, or running out')
    .option('--after <number>', 'only newer ones than this', countOf)
    .addHelpText('after', '\nExample:\n  $ evertoken notices --after 41 --json')
    .action(async (options: NoticesOptions) => (await import('./notices.ts')).notices(options, environment))

  onGrants(program.command('remove'))
    .description('forget a grant and its tokens; the provider is told with --revoke')
    .argument(...name)
    .option('--revoke', 'end the login at the provider first; remove nothing before that is done')
    .option('--yes', 'do not ask')
    .addHelpText('after', examples.remove)
    .action(async (id: string, options: RemoveOptions) =>
      (await import('./remove.ts')).remove(id, options, environment),
    )
}

/** Where the grants are, and for whom the output is. */
function onGrants(command: Command): Command {
  return command
    .option('--data <dir>', 'the data folder')
    .option('--broker <url>', 'grants at a broker instead of a local store')
    .option('--key-file <file>', 'holds the API key for the broker; mode 0600')
    .option('--json', 'for programs')
}

/** Flags that say where a provider is, in place of its name. */
const addressFlags = [
  'issuer',
  'tokenUrl',
  'authorizationUrl',
  'deviceAuthorizationUrl',
  'pushedAuthorizationRequestUrl',
  'revocationUrl',
]

/** The secrets of which a provider may give others, without the grant becoming another. */
function secrets(command: Command): Command {
  return command
    .option(
      '--client-secret-file <file>',
      'holds the client secret, or two on two lines while one is rotated; mode 0600; - is stdin',
    )
    .option('--client-secret-env <variable>', 'the environment variable that holds it')
    .option('--refresh-token-file <file>', 'holds a refresh token to import; - is stdin')
    .option('--refresh-token-env <variable>', 'the environment variable that holds it')
}

/** The flags that describe a grant. Secrets come from files and environment variables: everybody can read arguments. */
function described(command: Command): Command {
  command
    .addOption(
      new Option(
        '--provider <name>',
        'the provider: its id (evertoken provider list), or a file with its profile',
      ).conflicts(['profileFile', ...addressFlags]),
    )
    .addOption(
      new Option('--profile-file <file>', 'or a file with its profile, YAML or JSON').conflicts(addressFlags),
    )
    .option('--variable <name=value>', 'what the profile asks for: a tenant, a shop; may be repeated', pairs)
    .option('--variable-env <name=variable>', 'the same, by the environment variable that holds it', pairs)
    .option('--issuer <url>', 'or its issuer, whose endpoints are discovered')
    .option('--token-url <url>', 'or its token endpoint')
    .option('--authorization-url <url>', 'with --token-url, where a person consents')
    .option('--device-authorization-url <url>', 'for login --device, where the issuer names none (RFC 8628)')
    .option('--pushed-authorization', 'hand the provider the request before a browser opens (RFC 9126)')
    .option('--pushed-authorization-request-url <url>', 'where to, where the issuer names nothing')
    .option('--revocation-url <url>', 'with --token-url, where a login is ended (RFC 7009)')
    .option('--client-id <id>', 'the client at the provider')
    .addOption(
      new Option('--client-authentication <method>', 'how the client authenticates').choices(
        clientAuthenticationMethods,
      ),
    )
  return secrets(command)
    .option(
      '--client-assertion-file <file>',
      'holds a signed JWT that a platform renews, read for every request; not with --broker',
    )
    .option(
      '--client-certificate-file <file>',
      'holds the certificate that the client shows (RFC 8705), read for every request; not with --broker',
    )
    .option('--client-key-file <file>', 'holds its private key; both as PEM')
    .option('--dpop', 'bind the tokens to a key that never leaves evertoken (RFC 9449)')
    .option(
      '--signing-key-file <file>',
      'holds the key that signs: PEM, JWK, or the secret of HS256; - is stdin',
    )
    .option('--signing-key-env <variable>', 'the environment variable that holds it')
    .addOption(
      new Option('--algorithm <name>', 'of the signing key').choices(['RS256', 'ES256', 'EdDSA', 'HS256']),
    )
    .option('--key-id <kid>', 'of the signing key')
    .option('--assertion-issuer <iss>', 'jwt_bearer, request: who signs')
    .option('--assertion-subject <sub>', 'jwt_bearer, request: for whom; default: the issuer')
    .option('--assertion-audience <aud>', 'jwt_bearer, request: default: the token endpoint')
    .option('--assertion-lifetime <seconds>', 'jwt_bearer, request: default 300', secondsOf)
    .option('--claim <name=value>', 'jwt_bearer, request: one more claim; may be repeated', pairs)
    .option(
      '--subject-token-file <file>',
      'token_exchange: holds the token, read for every request; not with --broker',
    )
    .option('--subject-token-env <variable>', 'or the environment variable that holds it, for good')
    .option('--subject-token-type <type>', 'access_token, jwt, id_token, saml2, or a URI (RFC 8693)')
    .option('--actor-token-file <file>', 'token_exchange: the same of who acts for the subject')
    .option('--actor-token-env <variable>', 'or the environment variable that holds it, for good')
    .option('--actor-token-type <type>', 'as above')
    .option('--requested-token-type <type>', 'token_exchange: default: what the provider gives')
    .option('--audience <name>', 'token_exchange: for which service; may be repeated', collected)
    .option('--scope <scope>', 'may be repeated', collected)
    .option('--resource <uri>', 'RFC 8707; may be repeated', collected)
    .option(
      '--refresh-before <seconds>',
      'how long before expiry to refresh; default: by lifetime',
      secondsOf,
    )
    .addOption(
      new Option('--replay-class <class>', 'what the provider does with a used refresh token').choices([
        'strict',
        'idempotent',
        'last_child_wins',
        'fork',
        'non_rotating',
      ]),
    )
    .option('--reuse-window <seconds>', 'how long a used one may come again; for the middle three', secondsOf)
    .option('--assumed-lifetime <seconds>', 'of a token whose provider states none; default 3300', secondsOf)
    .option('--parameter <name=value>', 'more of the token request; may be repeated', pairs)
    .option('--authorization-parameter <name=value>', 'more of the authorization request', pairs)
    .option('--metadata <name>', "member of the provider's answer to hand out; may be repeated", collected)
    .option('--label <name=value>', 'for filters and policy; may be repeated', pairs)
    .option('--insecure-http', 'allow plain http to a host that is not this one')
    .option(
      '--endpoint-host <host>',
      'where the issuer may have endpoints besides, after it has moved; may be repeated',
      collected,
    )
    .option('--private-network', 'the provider is in a network of your own; not with --broker')
}

const examples = {
  add: `
Examples:
  $ evertoken add billing
  $ evertoken add crm --type refresh_token --provider hubspot --client-id abc --client-secret-file secret --refresh-token-file -
  $ evertoken add billing --type client_credentials --issuer https://auth.example.com --client-id abc --client-secret-file secret
  $ evertoken add api --type token_exchange --issuer https://sts.example.com --subject-token-file /var/run/token --subject-token-type jwt
  $ evertoken add repo --type request --provider github-app-installation --variable installation_id=123 --client-id Iv23 --signing-key-file app.pem
  $ evertoken add payments --dpop --type client_credentials --issuer https://auth.example.com --client-id abc --client-secret-file secret
  $ evertoken add bank --type client_credentials --issuer https://auth.example.com --client-id abc --client-certificate-file tls.crt --client-key-file tls.key
  $ pass show crm | evertoken add crm --type refresh_token --token-url https://auth.example.com/token --client-id abc --refresh-token-file -`,
  replace: `
Examples:
  $ evertoken replace billing --client-secret-file new-secret
  $ pass show crm | evertoken replace crm --refresh-token-file -`,
  login: `
Examples:
  $ evertoken login work
  $ evertoken login work --issuer https://auth.example.com --client-id abc --scope 'read offline_access'
  $ evertoken login google --as work --client-id abc --client-secret-file secret --scope openid
  $ evertoken login quartile --as ads --username ann@example.com --variable-env subscription_key=KEY
  $ evertoken login work --paste
  $ evertoken login work --device
  $ evertoken login work --other-account`,
  remove: `
Examples:
  $ evertoken remove billing --yes
  $ evertoken remove work --revoke --yes`,
  token: `
Examples:
  $ curl -H "Authorization: Bearer $(evertoken token billing)" https://api.example.com/invoices
  $ evertoken token billing --min-ttl 300 --json`,
} as const
