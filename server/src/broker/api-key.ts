import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { type ApiKey, ConfigurationError, type GrantStore, Secret } from 'evertoken'
import { readKeyFile, writeKeyFile } from 'evertoken/sqlite'

export interface ApiKeyOptions {
  /** For people: who calls with it. */
  label: string
  /** `read` gives tokens and states of every grant, `administer` everything else as well. */
  rights: ApiKey['rights']
}

/**
 * `evt_<id>_<secret>_<crc>`: 8 bytes as hexadecimal by which the key is found, 32 random bytes as base64url, and the
 * CRC-32 of everything before it, by which secret scanners tell a key from noise.
 */
const keyShape = /^evt_[0-9a-f]{16}_[A-Za-z0-9_-]{43}_[0-9a-f]{8}$/
const prefix = 'evt_'
const idAt = prefix.length
const secretAt = idAt + 16 + 1
/** Of the underscore before the checksum. */
const crcAt = secretAt + 43

interface KeyText {
  readonly id: string
  readonly secret: string
}

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, '0')

function parseKey(text: string): KeyText | undefined {
  if (!keyShape.test(text) || crc32(text.slice(0, crcAt)) !== Number.parseInt(text.slice(crcAt + 1), 16))
    return undefined
  return { id: text.slice(idAt, secretAt - 1), secret: text.slice(secretAt, crcAt) }
}

function newKey(): string {
  const text = `evt_${randomBytes(8).toString('hex')}_${randomBytes(32).toString('base64url')}`
  return `${text}_${checksum(text)}`
}

/** 256 random bits need no slow hash: there is nothing to guess. */
const digestOf = (secret: string): Buffer => hash('sha256', secret, 'buffer')

async function register(store: GrantStore, text: string, { label, rights }: ApiKeyOptions): Promise<void> {
  const { id, secret } = parseKey(text) as KeyText
  await store.putApiKey({ id, label, rights, hash: digestOf(secret).toString('hex'), createdAt: Date.now() })
}

/** A new key, whose text is stored nowhere: it is shown now or never. */
export async function createApiKey(store: GrantStore, options: ApiKeyOptions): Promise<Secret> {
  const text = newKey()
  await register(store, text, options)
  return new Secret(text)
}

/**
 * The key that a file holds alone, mode 0600. Makes both where there is no file yet; registers the key again where
 * the store does not know it, because the store was made anew.
 *
 * @throws ConfigurationError `key_file_too_open`, `key_file_unreadable`, `empty_secret`.
 */
export async function ensureKeyFile(
  store: GrantStore,
  file: string,
  options: ApiKeyOptions,
): Promise<{ readonly key: Secret; readonly created: boolean }> {
  // Of several first starts one writes the file, and all go on with its key.
  const created = writeKeyFileOnce(file)
  const key = readKeyFile(file)
  const parsed = parseKey(key.reveal())
  if (parsed === undefined)
    throw new ConfigurationError('key_file_unreadable', `the file ${file} does not hold an API key`, {
      file,
      advice: 'Remove it, and a new key is made at the next start.',
    })
  const known = await store.findApiKey(parsed.id)
  if (known?.hash !== digestOf(parsed.secret).toString('hex') || known.rights !== options.rights)
    await register(store, key.reveal(), options)
  return { key, created }
}

function writeKeyFileOnce(file: string): boolean {
  try {
    readKeyFile(file)
    return false
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException }
    if (cause?.code !== 'ENOENT') throw error
    return writeKeyFile(file, new Secret(newKey()))
  }
}

interface Known {
  readonly key: ApiKey
  readonly digest: Buffer
  /** Underscore and checksum, which follow from the rest. */
  readonly end: string
  /** UTC ms. A clock that is set back makes now < checkedAt, which asks the store too. */
  readonly checkedAt: number
}

/** So that an unknown id takes as long as a wrong secret. */
const nobody = Buffer.alloc(32)
/** Where the digest of the present request lies while it is compared: a buffer for each would cost more than the hash. */
const given = Buffer.alloc(32)

/** Verifies callers. Keys are remembered for a moment, so that the usual request asks no store. */
export class ApiKeys {
  readonly #store: Pick<GrantStore, 'findApiKey'>
  readonly #now: () => number
  readonly #revalidate: number
  readonly #known = new Map<string, Known>()

  constructor(store: Pick<GrantStore, 'findApiKey'>, now: () => number, revalidate: number) {
    this.#store = store
    this.#now = now
    this.#revalidate = revalidate
  }

  /** Whose key this is; undefined when it is nobody's. A promise only when the store has to be asked. */
  verify(text: string): ApiKey | undefined | Promise<ApiKey | undefined> {
    const known = this.#known.get(text.slice(idAt, secretAt - 1))
    const now = this.#now()
    if (known === undefined || now < known.checkedAt || now >= known.checkedAt + this.#revalidate)
      return this.#find(text)
    // Of a key seen before, only the secret is left to prove; the rest is compared as it stands.
    const { key, digest, end } = known
    const same = text.startsWith(prefix) && text[secretAt - 1] === '_' && text.slice(crcAt) === end
    return same && matches(text.slice(secretAt, crcAt), digest) ? key : undefined
  }

  #find(text: string): undefined | Promise<ApiKey | undefined> {
    const parsed = parseKey(text)
    return parsed === undefined ? undefined : this.#ask(parsed, text.slice(crcAt))
  }

  async #ask({ id, secret }: KeyText, end: string): Promise<ApiKey | undefined> {
    const checkedAt = this.#now()
    const key = await this.#store.findApiKey(id)
    if (key === undefined) {
      this.#known.delete(id)
      matches(secret, nobody)
      return undefined
    }
    const digest = Buffer.from(key.hash, 'hex')
    if (!matches(secret, digest)) return undefined
    this.#known.set(id, { key, digest, end, checkedAt })
    return key
  }
}

function matches(secret: string, digest: Buffer): boolean {
  given.write(hash('sha256', secret, 'binary'), 'latin1')
  return digest.length === given.length && timingSafeEqual(given, digest)
}
