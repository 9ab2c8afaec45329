import { type AppState, type EngineApp, watchApp } from './app-session.ts'
import { type Drawing, draw, type EmbedProps, isSimulated } from './drawing.ts'

/** A mounted element, as Qlik's module `embed-vanilla@v1` returns it. */
export interface MountedComponent {
  $set(props: Partial<EmbedProps>): void
  $destroy(): void
}

/** Draws a `<qlik-embed>` element and redraws it when the connection is reopened. */
export function mountVanillaEmbedComponent({
  target,
  props,
}: {
  readonly target: HTMLElement
  readonly props: EmbedProps
}): MountedComponent {
  const element = document.createElement('div')
  Object.assign(element.style, { position: 'relative', width: '100%', height: '100%' })
  target.append(element)

  let current = props
  let stop = start(element, current)
  return {
    $set(changes) {
      const next = { ...current, ...changes }
      // Loaders pass unchanged attributes, too.
      if (JSON.stringify(next) === JSON.stringify(current)) return
      current = next
      stop()
      stop = start(element, current)
    },
    $destroy() {
      stop()
      element.remove()
    },
  }
}

function start(element: HTMLElement, props: EmbedProps): () => void {
  if (!isSimulated(props.ui)) {
    showMessage(element, `${props.ui ?? 'This element'} is not simulated.`)
    return () => showMessage(element)
  }
  if (!props.appId) {
    showMessage(element, 'The attribute app-id is missing.')
    return () => showMessage(element)
  }

  // A drawing that was superseded while it loaded is destroyed.
  let latest: symbol | undefined
  let drawing: Drawing | undefined
  const clear = () => {
    latest = undefined
    drawing?.destroy()
    drawing = undefined
    showMessage(element)
  }
  const show = async (app: EngineApp) => {
    const id = Symbol('drawing')
    latest = id
    const drawingOfApp = draw(element, app, props)
    props.exposeRefApi?.({ getDoc: async () => app, getObject: async () => (await drawingOfApp).model })
    try {
      const drawn = await drawingOfApp
      if (latest === id) drawing = drawn
      else drawn.destroy()
    } catch (error) {
      if (latest === id)
        showMessage(element, error instanceof Error ? error.message : 'The object cannot be displayed.')
    }
  }
  const onState = (state: AppState) => {
    clear()
    if (state.name === 'open') void show(state.app)
    else showMessage(element, state.name === 'ended' ? state.reason : 'Connecting…')
  }
  const stopWatching = watchApp(
    { host: hostOf(props), appId: props.appId, identity: props.identity, hostConfig: props.hostConfig },
    onState,
  )
  return () => {
    stopWatching()
    clear()
  }
}

/** Replaces the content of the element by a message; without a message, removes the content. */
function showMessage(element: HTMLElement, message?: string): void {
  element.replaceChildren()
  if (message === undefined) return
  const sentence = document.createElement('p')
  sentence.setAttribute('role', 'status')
  sentence.textContent = message
  Object.assign(sentence.style, {
    margin: '0',
    padding: '12px',
    font: '14px/1.4 system-ui, sans-serif',
    opacity: '0.75',
  })
  element.append(sentence)
}

/** The host of the element. A host without a scheme is https; the default is where this module comes from. */
function hostOf(props: EmbedProps): string {
  const host = props.hostConfig?.host || props.hostConfig?.url || new URL('..', import.meta.url).href
  return (/^https?:\/\//.test(host) ? host : `https://${host}`).replace(/\/+$/, '')
}
