import { ConfigurationError, type ErrorCode } from 'evertoken'

/** Keys and list positions from the top of the options to one value. */
export type Path = readonly string[]

/** Where options were written, so that an error can say so. Options of a request have no file and no lines. */
export interface Origin {
  readonly file?: string | undefined
  /** 1-based; of the nearest place above when the value itself was not written. */
  readonly line?: ((path: Path) => number | undefined) | undefined
}

export interface Fault {
  readonly code?: ErrorCode | undefined
  readonly advice?: string | undefined
  readonly cause?: unknown
}

/** An error about one value: `evertoken.yaml:7: clients.acme.client_id: …`. */
export function fault(
  origin: Origin,
  path: Path,
  problem: string,
  { code = 'invalid_configuration', advice, cause }: Fault = {},
): ConfigurationError {
  const line = origin.line?.(path)
  const place = origin.file === undefined ? '' : `${origin.file}${line === undefined ? '' : `:${line}`}: `
  const name = path.length === 0 ? '' : `${path.join('.')}: `
  return new ConfigurationError(code, `${place}${name}${problem}`, {
    file: origin.file,
    line,
    advice,
    cause,
  })
}
