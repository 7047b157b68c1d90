import type { IncomingMessage } from 'node:http'
import { OAuthError } from './answer.ts'
import type { Exchange } from './exchange.ts'
import type { RespondRequest } from './practice-options.ts'
import type { OpenRecord } from './request-record.ts'
import type { NoteTruth } from './truth-log.ts'

/** Bytes of a request body; a token request with a large assertion needs a tenth of it. */
const bodyLimit = 64 * 1024

/** The client went away before its request was whole. */
export class RequestCut extends Error {
  override readonly name = 'RequestCut'
}

export async function readExchange(
  message: IncomingMessage,
  record: OpenRecord,
  note: NoteTruth,
): Promise<Exchange> {
  const body = await readBody(message)
  return {
    method: message.method ?? 'GET',
    path: record.path,
    query: targetOf(message).searchParams,
    headers: message.headers,
    body,
    remoteAddress: message.socket.remoteAddress ?? '',
    record,
    note,
  }
}

/** Who a test's client says it is, so that its death can be told from that of its neighbours. */
export function senderOf(message: IncomingMessage): string | undefined {
  const sender = message.headers['x-practice-sender']
  return typeof sender === 'string' ? sender.slice(0, 100) : undefined
}

/** The request target as a URL; the base only completes it. */
export function targetOf(message: IncomingMessage): URL {
  const target = message.url ?? '/'
  return URL.canParse(target, 'http://practice')
    ? new URL(target, 'http://practice')
    : new URL('http://practice/')
}

export async function readBody(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    // The rest of a body that is too large is read and dropped: closing on a client that still sends would reset the
    // connection, and the client would never see the answer. The time for it is bounded as for every request.
    for await (const chunk of message as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length <= bodyLimit) chunks.push(chunk)
    }
  } catch (error) {
    throw new RequestCut('the request was cut', { cause: error })
  }
  if (length > bodyLimit)
    throw new OAuthError('invalid_request', `the request body is larger than ${bodyLimit} bytes`, {
      status: 413,
    })
  return Buffer.concat(chunks).toString()
}

/** What the `respond` and `latency` hooks see of a request. */
export function respondRequest(exchange: Exchange): RespondRequest {
  const { record, method, path, headers, query, body } = exchange
  const form = headers['content-type']?.includes('form') ? new URLSearchParams(body) : []
  return {
    number: record.number,
    method,
    path,
    headers,
    parameters: Object.fromEntries([...query, ...form]),
    body,
  }
}
