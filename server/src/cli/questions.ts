import { autocomplete, confirm, isCancel, password, select, text } from '@clack/prompts'
import { EvertokenError } from 'evertoken'
import { type Environment, Interruption } from './environment.ts'

/** Whether there is somebody who can be asked. Questions go to stderr, so that stdout stays for the result. */
export const atTerminal = ({ isTerminal }: Pick<Environment, 'isTerminal'>): boolean =>
  isTerminal.stdin && isTerminal.stderr

/** Says what is wrong with an answer, or nothing. */
export type Check = (answer: string) => string | undefined

export interface Choice<T extends string> {
  readonly value: T
  readonly label: string
  readonly hint?: string
}

/** Asks the person at the terminal. Leaving a question (Ctrl-C, Escape) throws an {@link Interruption}. */
export class Questions {
  readonly #common: { input: NodeJS.ReadStream; output: NodeJS.WriteStream; signal: AbortSignal }

  constructor({ stdin, stderr, signal }: Environment) {
    this.#common = { input: stdin as NodeJS.ReadStream, output: stderr as NodeJS.WriteStream, signal }
  }

  async text(message: string, check: Check, placeholder?: string): Promise<string> {
    const asked = { message, validate: (answer = '') => check(answer.trim()), ...this.#common }
    return answered(await text(placeholder === undefined ? asked : { ...asked, placeholder })).trim()
  }

  /** Typed text is not shown. */
  async secret(message: string, check: Check): Promise<string> {
    const validate = (answer = '') => check(answer.trim())
    return answered(await password({ message, validate, ...this.#common })).trim()
  }

  async select<T extends string>(message: string, options: readonly Choice<T>[]): Promise<T> {
    const choices = options as unknown as Parameters<typeof select<string>>[0]['options']
    return answered(await select<string>({ message, options: choices, ...this.#common })) as T
  }

  /** One of many, found by typing a part of its label or hint. */
  async search(message: string, options: readonly Required<Choice<string>>[]): Promise<string> {
    const filter = (typed: string, { label = '', hint = '' }: { label?: string; hint?: string }): boolean =>
      `${label} ${hint}`.toLowerCase().includes(typed.trim().toLowerCase())
    const asked = {
      message,
      options: [...options],
      filter,
      maxItems: 10,
      placeholder: 'type a part of its name',
    }
    return answered(await autocomplete<string>({ ...asked, ...this.#common }))
  }

  /** Enter alone means no. */
  async confirm(message: string): Promise<boolean> {
    return answered(await confirm({ message, initialValue: false, ...this.#common }))
  }
}

function answered<T>(answer: T): Exclude<T, symbol> {
  if (isCancel(answer)) throw new Interruption('SIGINT')
  return answer as Exclude<T, symbol>
}

/** What cannot be taken back, in words. */
export interface Decision {
  readonly question: string
  /** Why it is not done where nobody can be asked. */
  readonly refusal: string
  /** The command that asks nothing. */
  readonly command: string
  readonly grant?: string
}

/** Whether to go on: `--yes`, or the person at the terminal says so. Throws `usage` where nobody can be asked. */
export async function confirmed(
  yes: boolean | undefined,
  environment: Environment,
  { question, refusal, command, grant }: Decision,
): Promise<boolean> {
  if (yes === true) return true
  if (!atTerminal(environment))
    throw new EvertokenError('usage', refusal, { grant, advice: `Say so: ${command}` })
  return new Questions(environment).confirm(question)
}
