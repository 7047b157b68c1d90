#!/usr/bin/env node
// Only looks at the Node that it runs on: an older one cannot even load the rest, and says so in words that help nobody.

/** What package.json asks for in its `engines`. */
const oldestNode = '24.15'

// By numbers: to compare texts so costs 8 ms, a fifth of what `evertoken token` takes.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const [wantedMajor = 0, wantedMinor = 0] = oldestNode.split('.').map(Number)
if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
  process.stderr.write(
    `evertoken: the command needs Node ${oldestNode} or newer, and this is Node ${process.versions.node}.\n`,
  )
  process.exitCode = 1
} else {
  await import('./command.ts')
}
