import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { ConfigurationError } from 'evertoken'
import { onTestFinished } from 'vitest'
import { type Configuration, readConfiguration } from '../../src/config/configuration.ts'

/** A folder of its own for one test. */
export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'evertoken-config-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

export type Environment = Record<string, string>

/** Writes evertoken.yaml into a folder of its own and reads it. */
export function configured(
  yaml: string | Uint8Array,
  environment: Environment = {},
  folder = temporaryFolder(),
): Configuration {
  const file = path.join(folder, 'evertoken.yaml')
  fs.writeFileSync(file, yaml)
  return readConfiguration(file, environment)
}

/** The mistake that a configuration is refused for, its file's folder left out of the message. */
export function mistakeIn(
  yaml: string | Uint8Array,
  environment: Environment = {},
  folder = temporaryFolder(),
): ConfigurationError {
  try {
    configured(yaml, environment, folder)
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    const message = error.message.replaceAll(`${folder}/`, '')
    return Object.assign(error, { message })
  }
  throw new Error('the configuration was accepted')
}

/** One client and one grant, with lines to add under each. */
export const acme = ({ client = '', grant = '' } = {}): string => `clients:
  acme:
    provider: https://auth.acme.example
    client_id: abc
    client_secret: hunter2
${client}grants:
  billing:
    client: acme
    grant_type: client_credentials
${grant}`
