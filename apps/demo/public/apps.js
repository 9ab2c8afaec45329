/** The list of apps, read from Qlik's REST API through the proxy of this application. The page holds no token. */

/** The application lives above this script, which is at `assets/apps.js`. */
const base = new URL('..', import.meta.url).pathname

const root = document.querySelector('#apps')
const list = root.querySelector('.app-list')
const status = root.querySelector('.status')
const query = root.querySelector('#query')
const pager = { prev: root.querySelector('[data-page="prev"]'), next: root.querySelector('[data-page="next"]') }

/** The request in progress; starting another one aborts it. */
let current = new AbortController()

query.value = new URLSearchParams(location.search).get('query') ?? ''
root.querySelector('form').addEventListener('submit', event => {
  event.preventDefault()
  search()
})
query.addEventListener('input', debounced(search, 200))
for (const button of Object.values(pager)) button.addEventListener('click', () => load(button.dataset.href, button))
load(firstPage())

function search() {
  const text = query.value.trim()
  history.replaceState(null, '', text === '' ? `${base}apps` : `${base}apps?query=${encodeURIComponent(text)}`)
  load(firstPage())
}

function firstPage() {
  const parameters = new URLSearchParams({ resourceType: 'app', limit: root.dataset.pageSize, sort: '-updatedAt' })
  if (query.value.trim() !== '') parameters.set('query', query.value.trim())
  return `${base}qlik/api/v1/items?${parameters}`
}

async function load(url, pressedButton) {
  current.abort()
  current = new AbortController()
  const { signal } = current
  list.setAttribute('aria-busy', 'true')
  try {
    const response = await fetch(url, { signal, headers: { accept: 'application/json' } })
    if (response.status === 401)
      return location.assign(`${base}auth/login?returnTo=${encodeURIComponent(location.pathname + location.search)}`)
    const body = await response.json()
    if (!response.ok) throw new Error(body.errors?.[0]?.title ?? `the tenant responded with ${response.status}`)
    show(body)
    if (pressedButton?.disabled) (pager.prev.disabled ? pager.next : pager.prev).focus()
  } catch (error) {
    if (!signal.aborted) fail(error, url)
  }
}

function show({ data, links }) {
  list.replaceChildren(...data.map(row))
  list.removeAttribute('aria-busy')
  for (const [name, button] of Object.entries(pager)) {
    // The proxy has rewritten the tenant's links to its own origin.
    button.dataset.href = links?.[name]?.href ?? ''
    button.disabled = button.dataset.href === ''
  }
  const searched = query.value.trim()
  if (data.length > 0) showStatus(`${data.length} ${data.length === 1 ? 'app' : 'apps'} on this page`)
  else if (searched !== '') showStatus(`No apps match “${searched}”.`, 'empty')
  else showStatus('You don’t have any apps yet. Ask to be added to a space.', 'empty')
}

function row(app) {
  const link = element('a', { href: `${base}apps/${encodeURIComponent(app.resourceId)}` })
  const updated = element('time', { dateTime: app.updatedAt ?? '' })
  updated.textContent =
    app.updatedAt === undefined
      ? ''
      : `Updated ${new Date(app.updatedAt).toLocaleDateString(document.documentElement.lang, { dateStyle: 'medium' })}`
  link.append(
    element('strong', { textContent: app.name }),
    element('span', { textContent: app.description ?? '' }),
    updated,
  )
  const item = document.createElement('li')
  item.append(link)
  return item
}

function fail(error, url) {
  list.replaceChildren()
  list.removeAttribute('aria-busy')
  const again = element('button', { type: 'button', className: 'button plain', textContent: 'Try again' })
  again.addEventListener('click', () => load(url))
  // fetch() rejects with a TypeError when there is no response.
  const reason = error instanceof TypeError ? 'the server can’t be reached' : error.message
  showStatus(`Couldn’t load your apps: ${reason}.`, 'failed')
  status.append(' ', again)
}

function showStatus(text, kind = '') {
  status.className = `status ${kind}`
  status.textContent = text
}

function element(name, properties) {
  return Object.assign(document.createElement(name), properties)
}

function debounced(run, milliseconds) {
  let timer
  return () => {
    clearTimeout(timer)
    timer = setTimeout(run, milliseconds)
  }
}
