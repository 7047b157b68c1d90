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

export interface StartOptions extends ServeOptions {
  /** False with `--no-open`: no browser is opened. */
  open: boolean
}

export interface DemoOptions {
  /** `--port PORT` of the demo's broker; default: one that is free. */
  port?: number | undefined
  /** False with `--no-open`. */
  open: boolean
  /** `--for 90s`, in milliseconds: ends by itself after that. */
  for?: number | undefined
}
