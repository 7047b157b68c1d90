import { type Installed, installed, works } from '../debian-packages.ts'

const packages = ['ruby-doorkeeper', 'ruby-doorkeeper-openid-connect', 'ruby-rails', 'ruby-sqlite3', 'puma']
const gems = [
  'logger',
  'rails',
  'action_controller/railtie',
  'sqlite3',
  'puma',
  'doorkeeper',
  'doorkeeper/openid_connect',
]

/** A Ruby that can run server.rb. */
export const rubyWithDoorkeeper = (): Promise<Installed<string>> =>
  installed(packages, async () =>
    (await works('ruby', ...gems.map((gem) => `-r${gem}`), '-e', '')) ? 'ruby' : undefined,
  )
