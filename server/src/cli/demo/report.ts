/** What a process of the demo tells the one that started it. */
export type Report =
  | { readonly kind: 'refreshed' }
  | { readonly kind: 'refused'; readonly error: string }
  /** The API was called and answered. */
  | { readonly kind: 'called'; readonly status: number }

/** Milliseconds between two looks at the token, on average. */
export const lookEvery = 100
