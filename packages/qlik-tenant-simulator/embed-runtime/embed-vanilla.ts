import { type AppState, type EngineApp, watchApp } from './app-session.ts'
import { type Drawing, draw, type EmbedProps, isSimulated } from './drawing.ts'

/** What a page holds of a mounted element: Qlik's contract for `embed-vanilla@v1`. */
export interface MountedComponent {
  $set(props: Partial<EmbedProps>): void
  $destroy(): void
}

/** Draws what a `<qlik-embed>` asks for, and keeps it drawn while the connection comes and goes. */
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
      // Loaders repeat all attributes when one changes, and those they began with.
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
    say(element, `${props.ui ?? 'This element'} is not simulated.`)
    return () => say(element)
  }
  if (!props.appId) {
    say(element, 'app-id is missing.')
    return () => say(element)
  }

  // Elements are drawn one after the other: a drawing that is no longer wanted is destroyed when it arrives.
  let latest: symbol | undefined
  let drawing: Drawing | undefined
  const clear = () => {
    latest = undefined
    drawing?.destroy()
    drawing = undefined
    say(element)
  }
  const show = async (app: EngineApp) => {
    const mine = Symbol('drawing')
    latest = mine
    try {
      const made = await draw(element, app, props)
      if (latest === mine) drawing = made
      else made.destroy()
    } catch (error) {
      if (latest === mine) say(element, error instanceof Error ? error.message : 'This object cannot be shown.')
    }
  }
  const onState = (state: AppState) => {
    clear()
    if (state.name === 'open') void show(state.app)
    else say(element, state.name === 'ended' ? state.reason : 'Connecting…')
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

/** Shows a sentence in place of a chart; nothing removes what is there. */
function say(element: HTMLElement, message?: string): void {
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

/** The host may come without a scheme, as Qlik's loaders allow; without a host it is where this runtime came from. */
function hostOf(props: EmbedProps): string {
  const host = props.hostConfig?.host || props.hostConfig?.url || window.QlikMain?.getRootUrl() || location.origin
  return (/^https?:\/\//.test(host) ? host : `https://${host}`).replace(/\/+$/, '')
}
