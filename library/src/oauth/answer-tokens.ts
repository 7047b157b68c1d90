import type { AnswerDialect } from '../providers/profile.ts'
import { valueAt } from './json-pointer.ts'
import { secondaryParts } from './secondary-tokens.ts'

/**
 * What of an answer is a token where a profile says that tokens stand, under whatever names: all places that it names, also those
 * which a reader would not have come to.
 */
export function tokensAt(document: unknown, dialect: AnswerDialect): readonly string[] {
  const { root = '', access_token, refresh_token, id_token } = dialect
  const parts = [
    ...[root].flat().map((one) => valueAt(document, one)),
    ...secondaryParts(document, dialect).map(({ part }) => part),
  ]
  const places = [access_token, refresh_token, id_token].flatMap((pointer) => pointer ?? [])
  return parts
    .flatMap((part) => places.map((place) => valueAt(part, place)))
    .filter((value) => typeof value === 'string' || typeof value === 'number')
    .map(String)
}
