import type { Pointer } from '../providers/profile.ts'
import { printable } from './printable.ts'

/** A pointer of a profile, for people. */
export const pointerText = (pointer: Pointer): string =>
  printable(
    [pointer]
      .flat()
      .map((one) => (one === '' ? 'the top' : one))
      .join(' or '),
    150,
  )
