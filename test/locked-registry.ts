import { createHash } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'

interface LockEntry {
  version: string
  integrity?: string
  dependencies?: Record<string, string>
}

export interface Published {
  manifest: { name: string; version: string }
  tarball: string
}

/**
 * A package registry on loopback that knows what package-lock.json knows, and the packages that are given to it.
 * npm resolves every range to the locked version, and finds the contents by their hash in its cache; only what is not
 * there comes from the real registry. So an installation here needs no luck and mostly no network.
 */
export async function lockedRegistry(lockFile: string, registry: string, published: Published[]) {
  const lock: Record<string, LockEntry> = JSON.parse(fs.readFileSync(lockFile, 'utf8')).packages
  const own = new Map(published.map(({ manifest, tarball }) => [manifest.name, { manifest, tarball }]))
  const requests: string[] = []

  const versionsOf = (name: string, url: string): Record<string, object> => {
    const ours = own.get(name)
    if (ours) {
      const integrity = `sha512-${createHash('sha512').update(fs.readFileSync(ours.tarball)).digest('base64')}`
      const dist = { tarball: `${url}-/${name}`, integrity }
      return { [ours.manifest.version]: { ...ours.manifest, dist } }
    }
    const found = Object.entries(lock).filter(([place]) => place.endsWith(`node_modules/${name}`))
    return Object.fromEntries(
      found.map(([, entry]) => {
        const file = `${name.split('/').at(-1)}-${entry.version}.tgz`
        const dist = { tarball: new URL(`${name}/-/${file}`, registry).href, integrity: entry.integrity }
        return [entry.version, { ...entry, name, dist }]
      }),
    )
  }

  const server = http.createServer((request, response) => {
    const name = decodeURIComponent(request.url ?? '').slice(1)
    requests.push(name)
    // Nothing from here may stay in npm's cache: the next run has another port and another build.
    const headers = { 'cache-control': 'no-store' }
    const tarball = own.get(name.replace(/^-\//, ''))?.tarball
    if (name.startsWith('-/') && tarball) {
      response.writeHead(200, headers).end(fs.readFileSync(tarball))
      return
    }
    const versions = versionsOf(name, url)
    const latest = Object.keys(versions).at(-1)
    if (latest === undefined) {
      response.writeHead(404, headers).end('{}')
      return
    }
    const answer = { name, 'dist-tags': { latest }, versions }
    response.writeHead(200, { ...headers, 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return {
    url,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
