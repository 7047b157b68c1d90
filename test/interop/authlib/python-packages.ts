import { type Installed, installed, works } from '../debian-packages.ts'

/** The interpreter that Debian's packages are for comes first; another one may have the same from PyPI. */
const interpreters = ['/usr/bin/python3', 'python3']

const packages = ['python3-authlib', 'python3-flask', 'python3-sqlalchemy']

/** A Python that can run server.py. */
export const pythonWithAuthlib = (): Promise<Installed<string>> =>
  installed(packages, async () => {
    for (const command of interpreters)
      if (await works(command, '-c', 'import authlib, flask, sqlalchemy')) return command
    return undefined
  })
