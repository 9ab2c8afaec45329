/**
 * Shows any app sheet by sheet. The list of sheets comes from the engine, through the proxy and in its JSON-RPC
 * protocol: open the app, create a session object that lists the sheets, read its layout, and close the socket.
 */

const root = document.querySelector('#sheets')
const status = root.querySelector('.status')
const { app, engine } = root.dataset

const sheetList = {
  qInfo: { qType: 'SheetList' },
  qAppObjectListDef: { qType: 'sheet', qData: { title: '/qMetaDef/title', rank: '/rank' } },
}

try {
  const sheets = await sheetsOf(app)
  const requested = new URLSearchParams(location.search).get('sheet')
  const open = sheets.find(sheet => sheet.id === requested) ?? sheets[0]
  if (open === undefined) status.textContent = 'This app has no sheets that you have access to.'
  else {
    status.hidden = true
    root.querySelector('.tabs').replaceChildren(...sheets.map(sheet => tab(sheet, sheet === open)))
    root.querySelector('.sheet').replaceChildren(embed(open))
  }
} catch (error) {
  status.textContent = `Couldn’t load the sheets: ${error.message}.`
  root.querySelector('.sheet').hidden = true
}

function tab({ id, title }, isOpen) {
  const link = document.createElement('a')
  link.href = `?sheet=${encodeURIComponent(id)}`
  link.textContent = title
  if (isOpen) link.setAttribute('aria-current', 'page')
  return link
}

function embed({ id }) {
  const sheet = document.createElement('qlik-embed')
  sheet.setAttribute('ui', 'analytics/sheet')
  sheet.setAttribute('app-id', app)
  sheet.setAttribute('object-id', id)
  return sheet
}

async function sheetsOf(appId) {
  const socket = new WebSocket(`${engine}/app/${encodeURIComponent(appId)}`)
  const call = caller(socket)
  try {
    const doc = await call(-1, 'OpenDoc', [appId])
    const list = await call(doc.qReturn.qHandle, 'CreateSessionObject', [sheetList])
    const { qLayout } = await call(list.qReturn.qHandle, 'GetLayout', [])
    return qLayout.qAppObjectList.qItems
      .toSorted((one, other) => (one.qData?.rank ?? 0) - (other.qData?.rank ?? 0))
      .map(item => ({ id: item.qInfo.qId, title: item.qMeta?.title || item.qData?.title || 'Sheet' }))
  } finally {
    socket.close()
  }
}

/** A JSON-RPC 2.0 client over one socket. Calls are sent after the engine's first notification. */
function caller(socket) {
  const pending = new Map()
  const ready = new Promise((resolve, reject) => {
    socket.addEventListener('message', ({ data }) => {
      const { id, result, error } = JSON.parse(data)
      if (id === undefined) return resolve()
      const call = pending.get(id)
      if (error === undefined) call?.resolve(result)
      else call?.reject(new Error(error.message))
    })
    socket.addEventListener('close', () => {
      const closed = new Error('the connection was closed')
      reject(closed)
      for (const call of pending.values()) call.reject(closed)
    })
  })

  let id = 0
  return async (handle, method, params) => {
    await ready
    id += 1
    socket.send(JSON.stringify({ jsonrpc: '2.0', id, handle, method, params }))
    return new Promise((resolve, reject) => pending.set(id, { resolve, reject }))
  }
}
