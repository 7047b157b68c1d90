import fs from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import { type Installed, installed } from '../interop/debian-packages.ts'

const places = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
]

/** A real Chromium: that of CHROMIUM_PATH, that of the machine, else Debian's. */
export const installedChromium = (): Promise<Installed<string>> =>
  installed(['chromium'], async () =>
    places.find((place) => place !== undefined && place !== '' && fs.existsSync(place)),
  )

export const openChromium = (executablePath: string): Promise<Browser> =>
  chromium.launch({
    executablePath,
    // As root it starts no other way, and /dev/shm is small in containers.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
