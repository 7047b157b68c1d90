import { type Installed, installed, works } from '../debian-packages.ts'

/** A Python that can run server.py. */
export const pythonWithToolkit = (): Promise<Installed<string>> =>
  installed(['python3-django-oauth-toolkit'], async () =>
    (await works('/usr/bin/python3', '-c', 'import oauth2_provider')) ? '/usr/bin/python3' : undefined,
  )
