import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import enigma from 'enigma.js'
import { WebSocket } from 'ws'
import { analyticsApps, gapminderAppId } from '../apps/catalogue.ts'
import { dashboardObjects } from '../apps/dashboard.ts'
import { createEngine, type Engine } from './engine.ts'

// biome-ignore lint/suspicious/noExplicitAny: enigma.js generates its methods from a schema at run time
type Model = any

const schema = createRequire(import.meta.url)('enigma.js/schemas/12.2027.0.json') as object
let server: Server
let engine: Engine
let identity = 0
const sockets: WebSocket[] = []

beforeAll(async () => {
  engine = createEngine({ apps: analyticsApps, mayOpen: user => user.id !== 'cleo' })
  server = createServer()
  server.on('upgrade', (request, socket, head) => {
    const [, , appId = '', user = '', session = ''] = (request.url ?? '').split('/')
    engine.accept(request, socket, head, { appId, user: { id: user, name: user }, identity: session })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.terminate()
})

afterAll(async () => {
  await engine.close()
  await new Promise(resolve => server.close(resolve))
})

function url({ app = gapminderAppId, user = 'ada', session = `s${++identity}` } = {}): string {
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/app/${app}/${user}/${session}`
}

function connect(address = url()): WebSocket {
  const socket = new WebSocket(address)
  sockets.push(socket)
  return socket
}

/** Opens an app with enigma.js. */
async function openApp(
  address = url(),
  app = gapminderAppId,
): Promise<{ readonly doc: Model; readonly global: Model }> {
  const session = enigma.create({ schema, url: address, createSocket: target => connect(target) as Model })
  const global: Model = await session.open()
  return { global, doc: await global.openDoc(app) }
}

const cube = (dimensions: readonly string[], measures: readonly string[], more: object = {}) => ({
  qInfo: { qType: 'test' },
  qHyperCubeDef: {
    qDimensions: dimensions.map(field => ({ qDef: { qFieldDefs: [field], qSortCriterias: [{ qSortByAscii: 1 }] } })),
    qMeasures: measures.map(qDef => ({ qDef: { qDef }, qSortBy: { qSortByNumeric: -1 } })),
    qInitialDataFetch: [{ qLeft: 0, qTop: 0, qWidth: 10, qHeight: 100 }],
    ...more,
  },
})
const list = (field: string) => ({
  qInfo: { qType: 'list' },
  qListObjectDef: {
    qDef: { qFieldDefs: [field], qSortCriterias: [{ qSortByAscii: 1 }] },
    qInitialDataFetch: [{ qLeft: 0, qTop: 0, qWidth: 1, qHeight: 100 }],
  },
})
type Cell = {
  readonly qText: string
  readonly qNum: number | 'NaN'
  readonly qState: string
  readonly qElemNumber: number
}
const matrix = (layout: Model): Cell[][] => (layout.qHyperCube ?? layout.qListObject).qDataPages[0]?.qMatrix ?? []
const texts = (layout: Model) => matrix(layout).map(row => row.map(cell => cell.qText).join('|'))
const states = (layout: Model) => Object.fromEntries(matrix(layout).map(([cell]) => [cell?.qText, cell?.qState]))

describe('engine with enigma.js', () => {
  it('returns the user and the open app', async () => {
    const { doc, global } = await openApp()
    await expect(global.getAuthenticatedUser()).resolves.toContain('UserId=ada')
    await expect(doc.getAppLayout()).resolves.toMatchObject({ qTitle: 'Gapminder', qHasData: true })
    expect((await doc.getAllInfos()).map((info: Model) => info.qId)).toContain(dashboardObjects.kpi)
    await expect(global.openDoc('other')).rejects.toMatchObject({ code: 1003 })
  })

  it.each(analyticsApps.map(app => [app.name, app] as const))(
    'opens %s with data in every chart',
    async (_name, app) => {
      const { doc } = await openApp(url({ app: app.id }), app.id)
      for (const { qInfo } of app.objects.filter(object => object.qInfo.qType !== 'sheet')) {
        const layout = await (await doc.getObject(qInfo.qId)).getLayout()
        expect(layout.qHyperCube.qSize.qcy).toBeGreaterThan(0)
        expect(layout.qHyperCube.qMeasureInfo[0].qError).toBeUndefined()
      }
    },
  )

  it('aggregates, sorts and totals', async () => {
    const { doc } = await openApp()
    const object = await doc.createSessionObject(
      cube(['region'], ['=Count(distinct country)', '=Max(pop) / 1000'], { qInterColumnSortOrder: [1, 0] }),
    )
    const { qHyperCube } = await object.getLayout()
    expect(
      qHyperCube.qDataPages[0].qMatrix.map((row: Cell[]) => `${row[0]?.qText} ${row[1]?.qText}`).slice(0, 3),
    ).toEqual(['America 20', 'Europe & Central Asia 19', 'East Asia & Pacific 9'])
    expect(qHyperCube.qGrandTotalRow[0].qNum).toBe(62)
    expect(qHyperCube.qMeasureInfo[0]).toMatchObject({ qMin: 4, qMax: 20 })
  })

  it('filters other fields by a selection and computes the state of each value', async () => {
    const { doc } = await openApp()
    const [regions, countries, count] = await Promise.all([
      doc.createSessionObject(list('region')),
      doc.createSessionObject(list('country')),
      doc.createSessionObject(cube([], ['Count(distinct country)'])),
    ])
    const changed = new Promise(resolve => count.once('changed', resolve))
    await (await doc.getField('region')).selectValues([{ qText: 'South Asia' }])
    await changed
    expect(states(await regions.getLayout())).toMatchObject({ 'South Asia': 'S', America: 'A' })
    expect(states(await countries.getLayout())).toMatchObject({ India: 'O', Brazil: 'X' })
    expect(texts(await count.getLayout())).toEqual(['4'])

    await (await doc.getField('country')).selectValues([{ qText: 'India' }])
    expect(states(await regions.getLayout())).toMatchObject({ 'South Asia': 'S', America: 'X' })
    expect(states(await countries.getLayout())).toMatchObject({ India: 'S', Pakistan: 'A', Brazil: 'X' })
  })

  it('goes back and forward, and clears selections', async () => {
    const { doc } = await openApp()
    const count = await doc.createSessionObject(cube([], ['Count(distinct country)']))
    const current = await doc.createSessionObject({ qInfo: { qType: 'CurrentSelections' }, qSelectionObjectDef: {} })
    const field = await doc.getField('region')
    await field.select('America')
    await field.lock()
    await doc.clearAll()
    expect((await current.getLayout()).qSelectionObject.qSelections).toMatchObject([
      { qField: 'region', qSelected: 'America', qLocked: true },
    ])
    await field.unlock()
    await doc.clearAll()
    expect(texts(await count.getLayout())).toEqual(['62'])
    await doc.back()
    expect(texts(await count.getLayout())).toEqual(['20'])
    await doc.forward()
    expect(texts(await count.getLayout())).toEqual(['62'])
  })

  it('keeps the rows of the selecting object during a modal selection and filters all others', async () => {
    const { doc } = await openApp()
    const bars = await doc.createSessionObject(cube(['region'], ['Sum(pop)']))
    const other = await doc.createSessionObject(cube(['region'], ['Sum(pop)']))
    await bars.beginSelections(['/qHyperCubeDef'])
    await bars.selectHyperCubeValues('/qHyperCubeDef', 0, [0], true)
    expect((await bars.getLayout()).qSelectionInfo.qInSelections).toBe(true)
    expect(matrix(await bars.getLayout())).toHaveLength(6)
    expect(matrix(await other.getLayout())).toHaveLength(1)
    await bars.endSelections(false)
    expect(matrix(await other.getLayout())).toHaveLength(6)

    await bars.beginSelections(['/qHyperCubeDef'])
    await bars.selectHyperCubeCells('/qHyperCubeDef', [0, 1], [0])
    await bars.endSelections(true)
    expect(matrix(await bars.getLayout())).toHaveLength(2)
  })

  it('selects by ranges of a measure and by state', async () => {
    const { doc } = await openApp()
    const bars = await doc.createSessionObject(cube(['country'], ['Avg(life_expect)']))
    await bars.rangeSelectHyperCubeValues('/qHyperCubeDef', [{ qRange: { qMin: 75, qMax: 100 }, qMeasureIx: 0 }], [0])
    const matching = matrix(await bars.getLayout())
    expect(matching.length).toBeGreaterThan(0)
    expect(matching.every(([, value]) => Number(value?.qNum) >= 75)).toBe(true)

    const countries = await doc.createSessionObject(list('country'))
    await countries.selectListObjectAlternative('/qListObjectDef')
    expect(matrix(await bars.getLayout())).toHaveLength(62 - matching.length)
  })

  it('searches a list and selects the matches', async () => {
    const { doc } = await openApp()
    const countries = await doc.createSessionObject(list('country'))
    await countries.searchListObjectFor('/qListObjectDef', 'united')
    expect(texts(await countries.getLayout())).toEqual(['United Kingdom', 'United States'])
    await countries.searchListObjectFor('/qListObjectDef', '*land')
    expect(texts(await countries.getLayout())).toContain('New Zealand')
    await countries.acceptListObjectSearch('/qListObjectDef', false)
    expect(states(await countries.getLayout())).toMatchObject({ Finland: 'S', Brazil: 'A' })
  })

  it('pages, and rejects pages that are too large', async () => {
    const { doc } = await openApp()
    const rows = await doc.createSessionObject(
      cube(['country', 'year'], ['Sum(pop)'], { qInterColumnSortOrder: [0, 1, 2] }),
    )
    const [page] = await rows.getHyperCubeData('/qHyperCubeDef', [{ qLeft: 0, qTop: 680, qWidth: 3, qHeight: 100 }])
    expect(page.qArea).toEqual({ qLeft: 0, qTop: 680, qWidth: 3, qHeight: 2 })
    const large = { qLeft: 0, qTop: 0, qWidth: 3, qHeight: 1000 }
    await expect(rows.getHyperCubeData('/qHyperCubeDef', Array(5).fill(large))).rejects.toMatchObject({ code: 7009 })
  })

  it('patches session objects, and app objects with soft patches only', async () => {
    const { doc } = await openApp()
    const own = await doc.createSessionObject({ qInfo: { qType: 'test' }, title: 'a' })
    await own.applyPatches([{ qOp: 'replace', qPath: '/title', qValue: '"b"' }])
    await expect(own.getLayout()).resolves.toMatchObject({ title: 'b' })

    const stored = await doc.getObject(dashboardObjects.kpi)
    const patch = [{ qOp: 'replace', qPath: '/title', qValue: '"mine"' }]
    await expect(stored.applyPatches(patch)).rejects.toMatchObject({ code: 5 })
    await stored.applyPatches(patch, true)
    await expect(stored.getLayout()).resolves.toMatchObject({ title: 'mine' })
    await expect(stored.getProperties()).resolves.toMatchObject({ title: 'Population' })
    await expect(doc.createObject({ qInfo: { qType: 'test' } })).rejects.toMatchObject({ code: 5 })
  })

  it('evaluates expressions, and reports unknown objects', async () => {
    const { doc } = await openApp()
    await expect(doc.evaluateEx('=Sum(pop) / 0')).resolves.toMatchObject({ qIsNumeric: false, qText: '-' })
    await expect(doc.evaluate("=If(1 + 1 = 2, 'yes', 'no')")).resolves.toBe('yes')
    await expect(doc.getObject('none')).rejects.toMatchObject({ message: 'Object not found' })
  })

  it('shares selections between the sockets of a session only', async () => {
    const [shared, alone] = [url(), url()]
    const [first, second, other] = [await openApp(shared), await openApp(shared), await openApp(alone)]
    const count = await second.doc.createSessionObject(cube([], ['Count(distinct country)']))
    const elsewhere = await other.doc.createSessionObject(cube([], ['Count(distinct country)']))
    const changed = new Promise(resolve => count.once('changed', resolve))
    await (await first.doc.getField('region')).select('South Asia')
    await changed
    expect(texts(await count.getLayout())).toEqual(['4'])
    expect(texts(await elsewhere.getLayout())).toEqual(['62'])
  })

  it('keeps selections when a socket reconnects', async () => {
    const address = url()
    const { doc } = await openApp(address)
    await (await doc.getField('region')).select('South Asia')
    const [socket] = sockets
    const closed = socket && once(socket, 'close')
    socket?.terminate()
    await closed

    const [connected] = await Promise.all([once(connect(address), 'message'), openApp(address)])
    expect(String(connected[0])).toContain('SESSION_ATTACHED')
    const again = await openApp(address)
    const count = await again.doc.createSessionObject(cube([], ['Count(distinct country)']))
    expect(texts(await count.getLayout())).toEqual(['4'])
  })

  it('opens an empty session app', async () => {
    const id = 'SessionApp_1'
    const { doc } = await openApp(url({ app: id }), id)
    await expect(doc.getAppLayout()).resolves.toMatchObject({ qIsSessionApp: true, qHasData: false })
  })
})

describe('engine with a hostile client', () => {
  const closeCode = async (socket: WebSocket): Promise<number> => Number((await once(socket, 'close'))[0])
  const opened = async () => {
    const socket = connect()
    await once(socket, 'message')
    return socket
  }
  const request = async (socket: WebSocket, message: object | string) => {
    socket.send(
      typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', id: 1, handle: -1, ...message }),
    )
    return JSON.parse(String((await once(socket, 'message'))[0]))
  }

  it.each([
    ['an unknown app', { app: 'none' }, 4204],
    ['a user without permission', { user: 'cleo' }, 4203],
  ])('closes the socket for %s', async (_case, address, code) => {
    await expect(closeCode(connect(url(address)))).resolves.toBe(code)
  })

  it.each([
    ['text that is not JSON', '{"jsonrpc":', 1007],
    ['a binary frame', Buffer.from('{}'), 1003],
    ['a frame above the limit', 'x'.repeat(1024 * 1024 + 1), 1009],
  ])('closes the socket for %s', async (_case, frame, code) => {
    const socket = await opened()
    socket.send(frame)
    await expect(closeCode(socket)).resolves.toBe(code)
  })

  it.each([
    ['an unknown method', { method: 'Nope' }, -32601],
    ['a method of Object.prototype', { method: 'constructor' }, -32601],
    ['no method', {}, -32600],
    ['a number as method', { method: 1 }, -32600],
    ['an unknown handle', { method: 'GetLayout', handle: 99 }, -32602],
    ['a handle of the wrong kind', { method: 'OpenDoc', handle: {} }, -32602],
    ['parameters of the wrong kind', { method: 'OpenDoc', params: [{}] }, -32602],
    ['parameters that are not a list', { method: 'OpenDoc', params: 'x' }, -32602],
    ['another app', { method: 'OpenDoc', params: ['other'] }, 1003],
  ])('responds to %s with an error and continues', async (_case, message, code) => {
    const socket = await opened()
    await expect(request(socket, message)).resolves.toMatchObject({ id: 1, error: { code } })
    await expect(request(socket, { method: 'EngineVersion' })).resolves.toHaveProperty('result')
  })

  it.each(['[]', 'null', '1', '"x"'])('responds to %s with Invalid request', async text => {
    await expect(request(await opened(), text)).resolves.toMatchObject({ id: null, error: { code: -32600 } })
  })

  it.each([
    { qDimensions: null, qMeasures: 1 },
    { qDimensions: [null, 1, {}], qMeasures: [null] },
    { qMeasures: [{ qDef: { qDef: `=${'('.repeat(3000)}` } }] },
    { qMeasures: [{ qDef: { qDef: `=${'-'.repeat(4000)}1` } }] },
    { qMeasures: [{ qDef: { qDef: 'Sum(Sum(Sum(pop)))' } }] },
    { qDimensions: [{ qDef: { qFieldDefs: ['none'] } }], qInterColumnSortOrder: ['x', -5, 1e9] },
    { qInitialDataFetch: [{ qTop: -5, qLeft: 1e308, qWidth: 'x', qHeight: null }] },
  ])('computes a layout for the definition %j', async definition => {
    const { doc } = await openApp()
    const object = await doc.createSessionObject({ qInfo: { qType: 'x' }, qHyperCubeDef: definition })
    await expect(object.getLayout()).resolves.toHaveProperty('qHyperCube')
  })

  it('does not change prototypes by patches', async () => {
    const { doc } = await openApp()
    const object = await doc.createSessionObject({ qInfo: { qType: 'x' } })
    await expect(
      object.applyPatches([{ qOp: 'add', qPath: '/__proto__/polluted', qValue: 'true' }]),
    ).rejects.toMatchObject({
      code: -32602,
    })
    await object.applyPatches([{ qOp: 'add', qPath: '/__proto__', qValue: '{"polluted":true}' }])
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })
})
