/**
 * The list of apps: Qlik's own REST interface, read through this application's proxy. No token is involved on this
 * side.
 */

const root = document.querySelector('#apps')
const list = root.querySelector('.app-list')
const status = root.querySelector('.status')
const query = root.querySelector('#query')
const pager = { prev: root.querySelector('[data-page="prev"]'), next: root.querySelector('[data-page="next"]') }

/** The answer that is waited for; an older one that arrives late is dropped. */
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
  history.replaceState(null, '', text === '' ? '/apps' : `/apps?query=${encodeURIComponent(text)}`)
  load(firstPage())
}

function firstPage() {
  const parameters = new URLSearchParams({ resourceType: 'app', limit: root.dataset.pageSize, sort: '-updatedAt' })
  if (query.value.trim() !== '') parameters.set('query', query.value.trim())
  return `/qlik/api/v1/items?${parameters}`
}

async function load(address, pressed) {
  current.abort()
  current = new AbortController()
  const { signal } = current
  list.setAttribute('aria-busy', 'true')
  try {
    const answer = await fetch(address, { signal, headers: { accept: 'application/json' } })
    if (answer.status === 401)
      return location.assign(`/auth/login?returnTo=${encodeURIComponent(location.pathname + location.search)}`)
    const body = await answer.json()
    if (!answer.ok) throw new Error(body.errors?.[0]?.title ?? `The tenant answered ${answer.status}`)
    show(body)
    if (pressed?.disabled) (pager.prev.disabled ? pager.next : pager.prev).focus()
  } catch (error) {
    if (!signal.aborted) fail(error, address)
  }
}

function show({ data, links }) {
  list.replaceChildren(...data.map(row))
  list.removeAttribute('aria-busy')
  for (const [name, button] of Object.entries(pager)) {
    // The tenant links with absolute addresses; the proxy has turned them into its own.
    button.dataset.href = links?.[name]?.href ?? ''
    button.disabled = button.dataset.href === ''
  }
  const searched = query.value.trim()
  if (data.length > 0) say(`${data.length} ${data.length === 1 ? 'app' : 'apps'} on this page`)
  else if (searched !== '') say(`No app is called anything like “${searched}”.`, 'empty')
  else say('Your user may open no app yet. Somebody has to share a space with you first.', 'empty')
}

function row(app) {
  const link = element('a', { href: `/apps/${encodeURIComponent(app.resourceId)}` })
  const updated = element('time', { dateTime: app.updatedAt ?? '' })
  updated.textContent =
    app.updatedAt === undefined
      ? ''
      : `Updated ${new Date(app.updatedAt).toLocaleDateString(undefined, { dateStyle: 'medium' })}`
  link.append(
    element('strong', { textContent: app.name }),
    element('span', { textContent: app.description ?? '' }),
    updated,
  )
  const item = document.createElement('li')
  item.append(link)
  return item
}

function fail(error, address) {
  list.replaceChildren()
  list.removeAttribute('aria-busy')
  const again = element('button', { type: 'button', className: 'button plain', textContent: 'Try again' })
  again.addEventListener('click', () => load(address))
  say(`The list could not be read: ${error.message}.`, 'failed')
  status.append(' ', again)
}

function say(text, kind = '') {
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
