import { embed } from '@nebula.js/stardust'
import type { EngineApp, EngineObject } from './app-session.ts'
import { chartTypes } from './chart-types.ts'
import { darkTheme, pageTheme, watchPageTheme } from './page-theme.ts'

/** The attributes of a `<qlik-embed>` element, as its loader passes them. */
export interface EmbedProps {
  readonly ui?: string
  readonly hostConfig?: { readonly host?: string; readonly url?: string; readonly authType?: string }
  readonly appId?: string
  readonly identity?: string
  readonly objectId?: string
  readonly sheetId?: string
  readonly fieldId?: string
  readonly type?: string
  readonly dimensions?: readonly (string | object)[]
  readonly measures?: readonly (string | object)[]
  readonly properties?: object
  /** Receives the API that `getRefApi()` of the element returns; called each time the app is opened. */
  readonly exposeRefApi?: (api: RefApi) => void
}

/**
 * Access of a page to the engine connection of an element.
 *
 * @see https://qlik.dev/embed/qlik-embed/customize/interact-with-ref-api/
 */
export interface RefApi {
  getDoc(): Promise<EngineApp>
  /** The object that the element shows; undefined for a field and for the selections bar. Rejects when drawing fails. */
  getObject(): Promise<EngineObject | undefined>
}

/** A drawing that can be removed. */
export interface Drawing {
  /** The object that is drawn. */
  readonly model?: EngineObject
  destroy(): void
}

type Draw = (element: HTMLElement, app: EngineApp, props: EmbedProps) => Promise<Drawing>

/** Whether a `ui` attribute is supported. */
export const isSimulated = (ui: string | undefined) => ui !== undefined && Object.hasOwn(drawings, ui)

/** Draws into an element. @throws Error with a message for the page */
export function draw(element: HTMLElement, app: EngineApp, props: EmbedProps): Promise<Drawing> {
  const drawing = drawings[props.ui ?? '']
  if (!drawing) throw new Error(`${props.ui} is not simulated.`)
  return drawing(element, app, props)
}

const drawings: Readonly<Record<string, Draw>> = {
  async 'analytics/chart'(element, app, props) {
    const chart = await embedderOf(app, element).render({ element, ...chartConfig(props) })
    return { model: chart.model as unknown as EngineObject, destroy: () => void chart.destroy() }
  },

  async 'analytics/selections'(element, app) {
    const bar = await embedderOf(app, element).selections()
    bar.mount(element)
    return { destroy: () => bar.unmount() }
  },

  async 'analytics/field'(element, app, props) {
    const name = props.fieldId ?? props.dimensions?.find(dimension => typeof dimension === 'string')
    if (!name) throw new Error('The attribute field-id is missing.')
    const list = await embedderOf(app, element).field(fieldName(name))
    list.mount(element, { title: fieldName(name) })
    return { destroy: () => list.unmount() }
  },

  async 'analytics/sheet'(element, app, props) {
    const id = props.sheetId ?? props.objectId
    if (!id) throw new Error('The attribute sheet-id is missing.')
    const model = await app.getObject(id)
    const sheet = await model.getLayout()
    const grid = document.createElement('div')
    Object.assign(grid.style, {
      display: 'grid',
      gridTemplateColumns: `repeat(${Number(sheet.columns) || 24}, 1fr)`,
      gridTemplateRows: `repeat(${Number(sheet.rows) || 12}, 1fr)`,
      gap: '8px',
      width: '100%',
      height: '100%',
      minHeight: '480px',
    })
    element.replaceChildren(grid)
    const charts = await Promise.all(sheetCells(sheet).map(cell => drawCell(grid, app, cell)))
    return { model, destroy: () => charts.forEach(chart => void chart.destroy()) }
  },
}

interface SheetCell {
  readonly name: string
  readonly col: number
  readonly row: number
  readonly colspan: number
  readonly rowspan: number
}

const sheetCells = (sheet: Record<string, unknown>) =>
  Array.isArray(sheet.cells) ? (sheet.cells as readonly SheetCell[]) : []

function drawCell(grid: HTMLElement, app: EngineApp, { name, col, row, colspan, rowspan }: SheetCell) {
  const cell = document.createElement('div')
  Object.assign(cell.style, {
    position: 'relative',
    minWidth: '0',
    minHeight: '0',
    gridColumn: `${col + 1} / span ${colspan}`,
    gridRow: `${row + 1} / span ${rowspan}`,
  })
  grid.append(cell)
  return embedderOf(app, grid).render({ element: cell, id: name })
}

/** A chart of the app (`object-id`), or an on-the-fly chart (`type`, `dimensions`, `measures`). */
function chartConfig({ objectId, type, dimensions = [], measures = [], properties }: EmbedProps) {
  if (objectId) return { id: objectId, ...(properties ? { properties } : {}) }
  if (!type) throw new Error('The attribute object-id or type is missing.')
  const fields = [
    ...dimensions.map(dimension =>
      typeof dimension === 'string'
        ? { qDef: { qFieldDefs: [dimension], qFieldLabels: [fieldName(dimension)] } }
        : dimension,
    ),
    ...measures.map(measure =>
      typeof measure === 'string' ? { qDef: { qDef: measure, qLabel: measure.replace(/^=/, '') } } : measure,
    ),
  ]
  return { type, fields, ...(properties ? { properties } : {}) }
}

const fieldName = (definition: string) => definition.replace(/^=?\[(.*)\]$/, '$1')

type Embedder = ReturnType<typeof embed>

/** One embedder per app: its elements share theme and selections. */
const embedders = new WeakMap<EngineApp, Embedder>()

function embedderOf(app: EngineApp, element: HTMLElement): Embedder {
  const known = embedders.get(app)
  if (known) return known
  const configuration = { context: { theme: pageTheme() }, types: chartTypes, themes: [darkTheme(element)] }
  // The types of nebula.js require more members than it uses.
  const embedder = embed(
    app as unknown as Parameters<typeof embed>[0],
    configuration as unknown as Parameters<typeof embed>[1],
  )
  watchPageTheme(theme => void embedder.context({ theme }))
  embedders.set(app, embedder)
  return embedder
}
