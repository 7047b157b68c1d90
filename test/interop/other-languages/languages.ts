import { type Installed, installed, works } from '../debian-packages.ts'

/** The interpreter that Debian's packages are for comes first; another one may have the same from PyPI. */
const interpreters = ['/usr/bin/python3', 'python3']

/** A Python that can run the program of requests-oauthlib. */
export const pythonWithRequestsOAuthlib = (): Promise<Installed<string>> =>
  installed(['python3-requests-oauthlib'], async () => {
    for (const command of interpreters)
      if (await works(command, '-c', 'import requests_oauthlib')) return command
    return undefined
  })

/** A Java that runs a source file as it is (11 or newer). It is not installed for this: it is large. */
export const java = async (): Promise<Installed<string>> =>
  (await works('java', '--version')) ? { found: 'java' } : { missing: 'a JDK of version 11 or newer' }
