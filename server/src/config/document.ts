import { closeSync, openSync, readSync } from 'node:fs'
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'
import { type Environment, interpolated } from './environment.ts'
import { type Fault, fault, type Origin, type Path } from './origin.ts'

/** What a YAML file says, with environment variables put in, and the lines where it says so. */
export interface Document {
  /** Maps have no prototype. An empty file is an empty map. */
  readonly value: unknown
  readonly origin: Origin
}

/** Far above any configuration written by people; a wrong path must not fill the memory. */
const largestFile = 1024 * 1024
/** Aliases let a few lines unfold to any size, so what counts is what they unfold to. */
const mostNodes = 100_000
const deepest = 32

export interface DocumentOptions {
  /** Keys at the top whose values are not looked at. */
  readonly except?: readonly string[] | undefined
  /** Texts stay as they are written, and nothing of the environment is put in. */
  readonly asWritten?: boolean | undefined
  /** The error for a file that cannot be read, where somebody else named it. */
  readonly unreadable?: ((problem: string, cause: unknown) => Error) | undefined
}

/**
 * Reads a YAML 1.2 file. Throws ConfigurationError with the line for what is not YAML, and for a key given twice.
 *
 * @param environment null where nothing may come from it.
 */
export function readDocument(
  file: string,
  environment: Environment | null,
  { except = [], asWritten = false, unreadable }: DocumentOptions = {},
): Document {
  const text = readText(file, unreadable)
  const counter = new LineCounter()
  const [document, ...more] = parseAllDocuments(text, { lineCounter: counter, prettyErrors: false })
  const origin: Origin = { file }
  const lineAt = (offset: number): number => counter.linePos(offset).line
  const failAt = (offset: number, path: Path, problem: string, facts?: Fault): Error =>
    fault({ file, line: () => lineAt(offset) }, path, problem, facts)

  if (document === undefined) return { value: Object.create(null), origin }
  const wrong = document.errors[0] ?? document.warnings[0]
  if (wrong !== undefined) {
    const twice = wrong.code === 'DUPLICATE_KEY'
    throw failAt(wrong.pos[0], [], twice ? 'this key is there twice' : notYaml(wrong.message), {
      advice: twice ? 'Keep one of the two.' : quotingAdvice(text, lineAt(wrong.pos[0])),
    })
  }
  if (more[0] !== undefined)
    throw failAt(more[0].range[0], [], 'a second YAML document begins here', {
      advice: 'One file holds one configuration: remove the line with ---.',
    })

  const lines = new Map<string, number>()
  let nodes = 0
  const convert = (node: Node | null, path: Path): unknown => {
    const offset = node?.range?.[0] ?? 0
    nodes += 1
    if (nodes > mostNodes || path.length > deepest) throw failAt(offset, [], 'this is too large or too deep')
    if (node === null) return null
    if (isAlias(node)) return convert(node.resolve(document) ?? null, path)
    if (isSeq(node))
      return node.items.map((item, index) => {
        const place = [...path, String(index)]
        const child = item as Node | null
        if (child?.range) lines.set(place.join('\n'), lineAt(child.range[0]))
        return convert(child, place)
      })
    if (isMap(node)) {
      const map: Record<string, unknown> = Object.create(null)
      for (const pair of node.items) {
        const key = pair.key as Node
        const at = key.range?.[0] ?? offset
        if (!isScalar(key) || key.value === null || typeof key.value === 'object')
          throw failAt(at, path, 'a key must be a plain text')
        // `1: x` and `true: x` are keys like any other; as written, so that 0x10 stays 0x10.
        const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value))
        const place = [...path, name]
        if (name in map)
          throw failAt(at, place, 'this key is there twice', { advice: 'Keep one of the two.' })
        if (path.length === 0 && except.includes(name)) continue
        lines.set(place.join('\n'), lineAt(at))
        map[name] = convert(pair.value as Node | null, place)
      }
      return map
    }
    const { value } = node as { value?: unknown }
    return typeof value === 'string' && !asWritten
      ? interpolated(value, environment, (problem, facts) => failAt(offset, path, problem, facts))
      : value
  }
  const value = convert(document.contents as Node | null, []) ?? Object.create(null)
  return { value, origin: { file, line: (path) => nearestLine(lines, path) } }
}

/** YAML takes the brace of `{ a: ${NAME} }` for a map of its own, and says so in words that help nobody. */
const quotingAdvice = (text: string, line: number): string | undefined =>
  /[{[].*\$\{/.test(text.split('\n')[line - 1] ?? '')
    ? `Inside { } and [ ] put it in quotes: "\${NAME}".`
    : undefined

function nearestLine(lines: ReadonlyMap<string, number>, path: Path): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const line = lines.get(path.slice(0, length).join('\n'))
    if (line !== undefined) return line
  }
  return undefined
}

/** The parser's messages quote some of the file, which may hold secrets: only their first clause is ours to show. */
const notYaml = (message: string): string => {
  const clause = /^[A-Za-z][A-Za-z ,()[\]{}-]*(?:["']quote)?/.exec(message)?.[0].trim() ?? ''
  return `this is not YAML${clause === '' ? '' : `: ${clause.charAt(0).toLowerCase()}${clause.slice(1)}`}`
}

function readText(file: string, unreadable: DocumentOptions['unreadable']): string {
  const bytes = Buffer.alloc(largestFile + 1)
  let length = 0
  try {
    const descriptor = openSync(file, 'r')
    try {
      for (let read = -1; read !== 0 && length < bytes.length; length += read)
        read = readSync(descriptor, bytes, length, bytes.length - length, null)
    } finally {
      closeSync(descriptor)
    }
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    if (unreadable !== undefined)
      throw unreadable(missing ? `there is no file ${file}` : `the file ${file} cannot be read`, cause)
    throw fault(
      { file },
      [],
      missing ? 'there is no such configuration file' : 'this configuration cannot be read',
      {
        cause,
        advice: missing ? 'Check the path.' : 'Check that it is a file and that this user may read it.',
      },
    )
  }
  if (length > largestFile)
    throw fault({ file }, [], 'this is larger than 1 MiB', { advice: 'Check that it is the right file.' })
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length))
  } catch (cause) {
    throw fault({ file }, [], 'this is not UTF-8 text', { cause })
  }
}
