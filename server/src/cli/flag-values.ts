import { InvalidArgumentError } from 'commander'
import { parseDuration } from './duration.ts'

/** Readers of flags' values. What they throw names the flag and is an error of usage. */

export function secondsOf(text: string): number {
  const seconds = Number(text)
  if (text.trim() === '' || !Number.isFinite(seconds) || seconds < 0)
    throw new InvalidArgumentError('It is a number of seconds, such as 60.')
  return seconds
}

export function portOf(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535)
    throw new InvalidArgumentError('It is a port, from 1 to 65535.')
  return Number(text)
}

export function durationOf(text: string): number {
  const duration = parseDuration(text)
  if (duration === undefined) throw new InvalidArgumentError('It is a duration, such as 90s, 15m or 2h.')
  return duration
}

/** For a flag that may be given more than once. */
export const collected = (text: string, before: readonly string[] = []): string[] => [...before, text]

/** `--label team=money`, any number of times. */
export function pairs(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It is NAME=VALUE.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

export function countOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It is a whole number, such as 41.')
  return Number(text)
}
