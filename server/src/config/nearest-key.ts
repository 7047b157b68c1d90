/** The known key that was probably meant, or `undefined` when none is near. */
export function nearestKey(key: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined
  // A third of the letters wrong is a slip; more is another word.
  let least = Math.max(2, Math.floor(key.length / 3)) + 1
  for (const candidate of known) {
    const distance = plain(candidate) === plain(key) ? 0 : editDistance(key, candidate, least)
    if (distance < least) {
      least = distance
      nearest = candidate
    }
  }
  return nearest
}

/** Up to three that may have been meant: the nearest, and those of which the key is a part, or that are a part of it. */
export function nearestKeys(key: string, known: readonly string[]): string[] {
  const nearest = nearestKey(key, known)
  const akin = known.filter(
    (candidate) => key.length > 2 && (candidate.includes(plain(key)) || plain(key).includes(candidate)),
  )
  return [...new Set(nearest === undefined ? akin : [nearest, ...akin])].slice(0, 3)
}

/** `clientId`, `client-id` and `CLIENT_ID` are `client_id` in other people's habits. */
const plain = (key: string): string => key.toLowerCase().replaceAll(/[_\- ]/g, '')

/** Insertions, deletions, replacements and swapped neighbours; `limit` when there are that many or more. */
function editDistance(one: string, other: string, limit: number): number {
  if (Math.abs(one.length - other.length) >= limit) return limit
  let before: number[] = []
  let above = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const row = [i]
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1]
      let cost = Math.min(at(above, j) + 1, at(row, j - 1) + 1, at(above, j - 1) + (same ? 0 : 1))
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1])
        cost = Math.min(cost, at(before, j - 2) + 1)
      row.push(cost)
    }
    before = above
    above = row
  }
  return Math.min(at(above, other.length), limit)
}

const at = (row: readonly number[], index: number): number => row[index] ?? Number.POSITIVE_INFINITY
