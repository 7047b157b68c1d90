// The packages as `npm pack` makes them of the sources that stand here.

import fs from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'
import type { Published } from './locked-registry.ts'

const root = path.dirname(import.meta.dirname)

/** The folders of what is published. */
export const folders = ['library', 'testing', 'server'] as const
export type Folder = (typeof folders)[number]

/**
 * Builds in a copy, so that nobody else's build in this folder is in the way, and none of ours in theirs.
 *
 * @param target The folder for the tarballs and the copy.
 */
export async function packPackages(
  target: string,
  execute: (
    file: string,
    args: string[],
    options?: { cwd: string },
  ) => Promise<{ code: number | null; stdout: string; stderr: string }>,
  npm: { readonly file: string; readonly start: readonly string[] },
): Promise<Record<Folder, Published>> {
  const copy = path.join(target, 'repository')
  for (const name of folders) {
    for (const part of ['src', 'package.json', 'tsconfig.json']) {
      fs.cpSync(path.join(root, name, part), path.join(copy, name, part), { recursive: true })
    }
  }
  const schemas = ['evertoken.schema.json', 'evertoken-provider.schema.json']
  for (const file of schemas) fs.cpSync(path.join(root, 'server', file), path.join(copy, 'server', file))
  for (const file of ['tsconfig.json', 'README.md', 'LICENSE', 'scripts']) {
    fs.cpSync(path.join(root, file), path.join(copy, file), { recursive: true })
  }
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
  for (const name of folders)
    linkModules(path.join(root, name, 'node_modules'), path.join(copy, name, 'node_modules'))
  // The copy's own, not what the root's links lead to.
  for (const name of ['testing', 'server'])
    fs.symlinkSync(path.join(copy, 'library'), path.join(copy, name, 'node_modules/evertoken'))
  fs.mkdirSync(path.join(copy, 'server/node_modules/@evertoken'), { recursive: true })
  fs.symlinkSync(path.join(copy, 'testing'), path.join(copy, 'server/node_modules/@evertoken/testing'))

  const built = await execute(process.execPath, [path.join(root, 'scripts/build.mjs'), copy])
  expect(built).toMatchObject({ code: 0, stdout: '' })
  const pack = async (name: Folder): Promise<Published> => {
    const cwd = path.join(copy, name)
    const packed = await execute(npm.file, [...npm.start, 'pack', '--json', '--pack-destination', target], {
      cwd,
    })
    expect(packed.code, packed.stderr).toBe(0)
    const manifest = JSON.parse(fs.readFileSync(path.join(cwd, 'package.json'), 'utf8'))
    const file = `${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`
    return { manifest, tarball: path.join(target, file) }
  }
  const [library, testing, server] = await Promise.all(folders.map(pack))
  return { library, testing, server } as Record<Folder, Published>
}

function linkModules(from: string, to: string) {
  fs.mkdirSync(to)
  for (const name of fs.existsSync(from) ? fs.readdirSync(from) : []) {
    if (!name.startsWith('.')) fs.symlinkSync(path.join(from, name), path.join(to, name))
  }
}
