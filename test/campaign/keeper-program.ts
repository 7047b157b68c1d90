import { mkdirSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

/**
 * keeper-process.ts and all that it imports as one file in `folder`: a campaign starts a process for each kill, and most of
 * a start is looking modules up.
 */
export async function buildKeeperProgram(folder: string): Promise<string> {
  const file = path.join(folder, 'keeper-process.mjs')
  mkdirSync(folder, { recursive: true })
  // The driver of PostgreSQL is no module that could be part of one file: it is looked up from here.
  const modules = fileURLToPath(new URL('../../node_modules', import.meta.url))
  symlinkSync(modules, path.join(folder, 'node_modules'), 'junction')
  await build({
    input: fileURLToPath(import.meta.resolve('./keeper-process.ts')),
    platform: 'node',
    external: ['pg'],
    resolve: { conditionNames: ['evertoken:source', 'import', 'node', 'default'] },
    output: { file, format: 'esm', codeSplitting: false },
    logLevel: 'warn',
  })
  return file
}
