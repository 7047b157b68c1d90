/** What commander hands to the commands that serve; each option as it stands in `--help`. */
export interface PlaceOptions {
  /** `--data DIR` */
  data?: string | undefined
}

export interface ServeOptions extends PlaceOptions {
  /** `--config FILE`: an evertoken.yaml; default: the nearest one, if there is one. */
  config?: string | undefined
  /** `--listen HOST:PORT` */
  listen?: string | undefined
}
