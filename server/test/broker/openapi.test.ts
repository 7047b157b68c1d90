import { errorCodes } from 'evertoken'
import { describe, expect, test } from 'vitest'
import { person, practisedBroker, service } from './practised-broker.ts'

interface Operation {
  operationId: string
  summary: string
  tags: string[]
  security: Record<string, string[]>[]
  parameters?: { name: string; in: string; description?: string; required?: boolean }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>
}

interface Schema {
  $ref?: string
  type?: string
  properties?: Record<string, Schema>
  required?: string[]
  enum?: string[]
}

interface Description {
  openapi: string
  info: { title: string; version: string }
  servers: { url: string }[]
  tags: { name: string }[]
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, object> }
  paths: Record<string, Record<string, Operation>>
}

async function described() {
  const broker = await practisedBroker()
  const answer = await broker.send('GET', '/openapi.json')
  expect(answer.statusCode).toBe(200)
  const description = answer.json() as Description
  const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  return { ...broker, description, operations, text: answer.body }
}

describe('/openapi.json', () => {
  test('is OpenAPI 3.1, with where the broker is', async () => {
    const { description } = await described()
    expect(description.openapi).toBe('3.1.0')
    expect(description.info.version).toMatch(/^\d+\.\d+\.\d+/)
    expect(description.servers).toEqual([{ url: 'http://127.0.0.1:7420' }])
    expect(description.components.securitySchemes).toMatchObject({
      apiKey: { type: 'http', scheme: 'bearer' },
    })
  })

  test('describes every route of the architecture, each with its right', async () => {
    const { operations } = await described()
    const rights = operations.map(
      ({ path, method, operation }) =>
        `${method.toUpperCase()} ${path} ${operation.security[0]?.apiKey?.join() ?? Object.keys(operation.security[0] ?? { public: [] }).join()}`,
    )
    expect(rights.sort()).toEqual([
      'DELETE /v1/grants/{id} administer',
      'GET /.well-known/oauth-authorization-server public',
      'GET /connect/{ticket} public',
      'GET /healthz public',
      'GET /oauth/callback public',
      'GET /openapi.json public',
      'GET /readyz public',
      'GET /v1/grants read',
      'GET /v1/grants/{id} read',
      'GET /v1/grants/{id}/token read',
      'GET /v1/notices administer',
      'POST /oauth/token client',
      'POST /v1/grants administer',
      'POST /v1/grants/{id}/connect administer',
      'POST /v1/grants/{id}/pause administer',
      'POST /v1/grants/{id}/refresh administer',
      'POST /v1/grants/{id}/resume administer',
      'POST /v1/grants/{id}/revoke administer',
      'POST /v1/grants/{id}/token/rejected read',
      'POST /v1/grants/{id}/validate administer',
    ])
  })

  test('names every operation once, says what it is for and what it answers', async () => {
    const { operations, description } = await described()
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    const tags = new Set(description.tags.map(({ name }) => name))
    for (const { path, operation } of operations) {
      expect(operation.operationId, path).toMatch(/^[a-z][A-Za-z]+$/)
      expect(operation.summary, path).not.toBe('')
      expect(
        operation.tags.every((tag) => tags.has(tag)),
        path,
      ).toBe(true)
      for (const [status, response] of Object.entries(operation.responses))
        expect(response.description, `${path} ${status}`).not.toMatch(/^(|Default Response)$/)
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      const declared = operation.parameters?.filter((parameter) => parameter.in === 'path') ?? []
      expect(
        declared.map(({ name }) => name),
        path,
      ).toEqual(inPath)
      for (const parameter of operation.parameters ?? [])
        expect(parameter.description, `${path} ${parameter.name}`).toBeTruthy()
    }
  })

  test('says of every request under /v1 that it may answer with a problem', async () => {
    const { operations, description } = await described()
    for (const { path, operation } of operations.filter(({ path }) => path.startsWith('/v1/')))
      expect(operation.responses.default?.content, path).toEqual({
        'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
      })
    expect(description.components.schemas.Problem?.properties?.code?.enum).toEqual([...errorCodes])
  })

  test('refers to nothing that is not there', async () => {
    const { text, description } = await described()
    const names = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name)
    const schemas = ['Grant', 'OAuthError', 'Problem', 'Token']
    expect([...new Set(names)].sort()).toEqual(schemas)
    expect(Object.keys(description.components.schemas).sort()).toEqual(schemas)
    expect(text).not.toMatch(/"\$ref":"(?!#\/components\/schemas\/)/)
  })

  test('describes a grant by the keys of evertoken.yaml, without those that name files', async () => {
    const { description } = await described()
    const schema = description.paths['/v1/grants']?.post?.requestBody?.content['application/json']?.schema
    expect(schema?.required).toEqual(['id', 'client', 'grant_type'])
    expect(Object.keys(schema?.properties ?? {})).toEqual(
      expect.arrayContaining(['id', 'client', 'grant_type', 'scope', 'labels', 'assertion', 'refresh_token']),
    )
    expect(JSON.stringify(schema)).not.toContain('_file')
  })

  test('describes the token endpoint as a form, with the errors of OAuth', async () => {
    const { description } = await described()
    const operation = description.paths['/oauth/token']?.post
    expect(Object.keys(operation?.requestBody?.content ?? {})).toEqual(['application/x-www-form-urlencoded'])
    expect(operation?.responses.default?.content).toEqual({
      'application/json': { schema: { $ref: '#/components/schemas/OAuthError' } },
    })
    expect(description.components.schemas.OAuthError?.properties?.error?.enum).toContain('invalid_grant')
  })

  test('has examples that are as the broker answers', async () => {
    const { text } = await described()
    for (const example of ['"access_token":"2YotnFZFEjr1zCsicMWpAA"', '"id":"billing"', '"generation":7'])
      expect(text).toContain(example)
  })

  test('lists every member that an answer has, and no other', async () => {
    const { description, keeper, practice, send, adminKey } = await described()
    await keeper.add('billing', service(practice))
    await keeper.add('work', person(practice))
    const { Grant, Token } = description.components.schemas
    const answers: [Schema | undefined, object][] = [
      [Token, (await send('GET', '/v1/grants/billing/token', { key: adminKey })).json()],
      [Grant, (await send('GET', '/v1/grants/billing', { key: adminKey })).json()],
      [Grant, (await send('GET', '/v1/grants/work', { key: adminKey })).json()],
    ]
    for (const [schema, body] of answers) {
      const members = Object.keys(body)
      expect(Object.keys(schema?.properties ?? {})).toEqual(expect.arrayContaining(members))
      expect(members).toEqual(expect.arrayContaining(schema?.required ?? ['none']))
    }
  })
})
