import { parseArgs } from 'node:util'
import { type Peer, peers } from './peers/peer-process.ts'
import { type ProviderClass, providerClasses } from './provider-class.ts'
import { real, type Scale, scaled } from './scale.ts'
import { type StoreKind, storeKinds } from './store-place.ts'

/** Who is put to the test. */
export type Contender = 'evertoken' | Peer

const contenders: readonly Contender[] = ['evertoken', ...peers]

export interface RunOptions {
  readonly contenders: readonly Contender[]
  readonly kills: number
  readonly faults: number
  readonly classes: readonly ProviderClass[]
  readonly stores: readonly StoreKind[]
  readonly seed: number
  readonly logins: number
  /** Processes of a peer that share a login. */
  readonly perLogin: number
  readonly scale: Scale
  readonly json: boolean
  /** Where records stay. Default: a temporary folder, of which only runs that missed a bar stay. */
  readonly folder: string | undefined
  /** Files with what `--json` printed, of which the table is to be printed; nothing is run. */
  readonly tables: readonly string[]
  /** A login of the run in `folder` whose timeline is to be printed. */
  readonly explain: string | undefined
}

export const usage = `usage: npm run campaign -- [options]
  --contender NAME ${contenders.join(', ')}; several: again; default evertoken
  --kills N        SIGKILLs for each class and store; default 200
  --faults N       token requests that go wrong; default 200
  --class NAME     ${providerClasses.join(', ')}; several: again; default all
  --store NAME     sqlite, postgres; several: again; default both
  --seed N         of every random decision; default 1
  --logins N       logins that live at the same time; default 160
  --per-login N    processes of a peer that share each of its 8 logins; default 2
  --timings NAME   scaled (300 ms to answer, leases of 600 ms), real (15 s and 20 s); default scaled
  --stretch X      scaled times longer by that; default 1
  --life MS        kills come about so long after a process's start, at the latest; default 2200
  --json           rows as JSON
  --folder DIR     where the records of the runs stay
  --table FILE     prints the rows of earlier --json runs as one table; several: again
  --explain LOGIN  prints what happened to one login; with --folder DIR/<class>-<store>-<seed>`

/** The options, or what is wrong with them. */
export function readOptions(args: readonly string[]): RunOptions | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        contender: { type: 'string', multiple: true, default: ['evertoken'] },
        kills: { type: 'string', default: '200' },
        faults: { type: 'string', default: '200' },
        class: { type: 'string', multiple: true, default: [...providerClasses] },
        store: { type: 'string', multiple: true, default: [...storeKinds] },
        seed: { type: 'string', default: '1' },
        logins: { type: 'string', default: '160' },
        'per-login': { type: 'string', default: '2' },
        timings: { type: 'string', default: 'scaled' },
        stretch: { type: 'string', default: '1' },
        life: { type: 'string', default: '2200' },
        json: { type: 'boolean', default: false },
        folder: { type: 'string' },
        explain: { type: 'string' },
        table: { type: 'string', multiple: true, default: [] },
      },
    })
    return {
      contenders: values.contender.map((name) => oneOf('contender', name, contenders)),
      kills: whole('kills', values.kills),
      faults: whole('faults', values.faults),
      classes: values.class.map((name) => oneOf('class', name, providerClasses)),
      stores: values.store.map((name) => oneOf('store', name, storeKinds)),
      seed: whole('seed', values.seed),
      logins: whole('logins', values.logins),
      perLogin: whole('per-login', values['per-login']),
      scale:
        oneOf('timings', values.timings, ['scaled', 'real'] as const) === 'real'
          ? real
          : scaled(whole('stretch', values.stretch), whole('life', values.life)),
      json: values.json,
      folder: values.folder,
      explain: values.explain,
      tables: values.table,
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function whole(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new TypeError(`--${name} must be a whole number, not ${text}`)
  return Number(text)
}

function oneOf<Name extends string>(option: string, text: string, names: readonly Name[]): Name {
  const found = names.find((name) => name === text)
  if (found === undefined) throw new TypeError(`--${option} must be one of ${names.join(', ')}, not ${text}`)
  return found
}
