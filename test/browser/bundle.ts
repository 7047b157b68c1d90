import path from 'node:path'
import { type BuildResult, build } from 'esbuild'
import { rolldown } from 'rolldown'

/** Where a program stands, and with which conditions it finds evertoken there. */
export interface Place {
  readonly folder: string
  readonly conditions: readonly string[]
}

const sources: Place = {
  folder: path.dirname(path.dirname(import.meta.dirname)),
  conditions: ['evertoken:source'],
}

/** One file of a bundle. */
export interface Chunk {
  /** `entry.js` for the one that is asked for first. */
  readonly name: string
  readonly code: string
  /** Names of those that it loads at once, and of those that it loads when they are needed. */
  readonly imports: readonly string[]
  readonly later: readonly string[]
}

/** A program for no platform in particular, bundled and minified as users do it; fails where a module is not found. */
export async function bundledByEsbuild(
  program: string,
  { folder, conditions }: Place = sources,
): Promise<readonly Chunk[]> {
  const { outputFiles, metafile }: BuildResult<{ write: false; metafile: true }> = await build({
    stdin: { contents: program, resolveDir: folder, sourcefile: 'entry.js' },
    absWorkingDir: folder,
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    platform: 'neutral',
    conditions: [...conditions],
    outdir: folder,
    entryNames: 'entry',
    write: false,
    metafile: true,
    logLevel: 'silent',
  })
  return outputFiles.map((file) => {
    const name = path.basename(file.path)
    const { imports } = metafile.outputs[name] ?? { imports: [] }
    const of = (kind: string) =>
      imports.filter((one) => one.kind === kind).map((one) => path.basename(one.path))
    return { name, code: file.text, imports: of('import-statement'), later: of('dynamic-import') }
  })
}

export async function bundledByRolldown(
  program: string,
  { folder, conditions }: Place = sources,
): Promise<readonly Chunk[]> {
  const complaints: string[] = []
  await using bundle = await rolldown({
    input: 'virtual:entry',
    cwd: folder,
    platform: 'neutral',
    resolve: { conditionNames: [...conditions, 'import', 'default'], mainFields: ['module', 'main'] },
    onLog: (_level, log) => complaints.push(log.message),
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === 'virtual:entry' ? path.join(folder, 'entry.js') : undefined),
        load: (id) => (id === path.join(folder, 'entry.js') ? program : undefined),
      },
    ],
  })
  const { output } = await bundle.generate({ format: 'esm', minify: true, entryFileNames: 'entry.js' })
  if (complaints.length > 0) throw new Error(complaints.join('\n'))
  return output.flatMap((chunk) =>
    chunk.type === 'chunk'
      ? [
          {
            name: path.basename(chunk.fileName),
            code: chunk.code,
            imports: chunk.imports,
            later: chunk.dynamicImports,
          },
        ]
      : [],
  )
}

/** What is loaded before the program runs: the entry, and what it imports. */
export const loadedAtOnce = (chunks: readonly Chunk[]): readonly Chunk[] =>
  reachable(chunks, ({ imports }) => imports)

/** That, and what is loaded when it is needed. A bundler may leave files behind that nothing loads. */
export const loadedEver = (chunks: readonly Chunk[]): readonly Chunk[] =>
  reachable(chunks, ({ imports, later }) => [...imports, ...later])

function reachable(chunks: readonly Chunk[], next: (chunk: Chunk) => readonly string[]): readonly Chunk[] {
  const found = new Set<Chunk>()
  const visit = (name: string): void => {
    const chunk = chunks.find((one) => one.name === path.basename(name))
    if (chunk === undefined) throw new Error(`the bundle imports ${name}, which is not in it`)
    if (found.has(chunk)) return
    found.add(chunk)
    for (const imported of next(chunk)) visit(imported)
  }
  visit('entry.js')
  return [...found]
}

export const sizeOf = (chunks: readonly Chunk[]): number =>
  chunks.reduce((sum, { code }) => sum + Buffer.byteLength(code), 0)
