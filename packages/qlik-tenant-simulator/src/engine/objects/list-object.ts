import { fieldOf } from '../data/expression.ts'
import type { Field } from '../data/field-table.ts'
import { searchValues } from '../data/value-search.ts'
import { foreignMembers, type JsonObject, listIn, objectIn, textIn } from '../json-rpc/json-value.ts'
import { countStates } from '../selections/selection-state.ts'
import { type CubeContext, extent, fieldTags, json, plainName, unknownFormat } from './cube-column.ts'
import { type PageArea, pageAreas } from './page-area.ts'
import { frequencies, orderedElements } from './value-order.ts'

/** A computed list object: all values of one field, or the values that match a search. */
export interface ListObject {
  /** `qListObject` without its data pages. */
  readonly header: JsonObject
  readonly field: Field | undefined
  /** Element number of each row. */
  readonly elements: readonly number[]
  /** @throws RpcError 7009 when the requested pages hold more than 10,000 cells. */
  pages(
    requested: readonly unknown[],
  ): readonly { readonly qMatrix: readonly (readonly JsonObject[])[]; readonly qArea: PageArea }[]
}

/** Computes a list object (`qListObjectDef`). */
export function listObject(definition: JsonObject, context: CubeContext, search?: string): ListObject {
  const inner = objectIn(definition.qDef)
  const source = textIn(listIn(inner.qFieldDefs)[0])
  const field = fieldOf(source, context.table)
  const states = field ? context.states(field) : []
  const criteria = objectIn(listIn(inner.qSortCriterias)[0])
  const found = field && search ? new Set(searchValues(field, search)) : undefined
  const all = field ? orderedElements(field, criteria, { ...context, states }) : []
  const elements = found ? all.filter(element => found.has(element)) : all

  const frequency = field && wantsFrequency(definition) ? frequencies(field, context.rows) : undefined
  const texts = field?.values.map(value => value.text.length) ?? []
  const range = extent(field?.values.map(value => value.number) ?? [])
  const title = textIn(listIn(inner.qFieldLabels)[0]) || plainName(source)

  const cell = (element: number): JsonObject => {
    const value = field?.values[element]
    return {
      qText: value?.text ?? '-',
      qNum: json(value?.number ?? Number.NaN),
      qElemNumber: element,
      qState: states[element] ?? 'O',
      ...(frequency ? { qFrequency: String(frequency[element] ?? 0) } : {}),
      ...highlight(value?.text ?? '', search),
    }
  }

  return {
    field,
    elements,
    header: {
      ...foreignMembers(definition),
      qSize: { qcx: 1, qcy: elements.length },
      qDimensionInfo: {
        ...foreignMembers(inner),
        qFallbackTitle: title,
        qApprMaxGlyphCount: Math.max(0, ...texts),
        qCardinal: field?.values.length ?? 0,
        qCardinalities: { qCardinal: field?.values.length ?? 0, qHypercubeCardinal: 0, qAllValuesCardinal: -1 },
        qSortIndicator: 'A',
        qGroupFallbackTitles: [title],
        qGroupPos: 0,
        qGroupFieldDefs: [source],
        qGrouping: 'N',
        qStateCounts: countStates(states),
        qTags: fieldTags(field),
        qDimensionType: field?.isNumeric ? 'N' : 'D',
        qNumFormat: unknownFormat,
        qIsAutoFormat: true,
        qMin: json(range.min),
        qMax: json(range.max),
        qAttrExprInfo: [],
        qAttrDimInfo: [],
        qLocked: states.some(state => state === 'L' || state === 'XL'),
        qIsOneAndOnlyOne: false,
        qContinuousAxes: false,
        qSortCriterias: criteria,
      },
      qExpressions: [],
      qFrequencyMax: frequency?.reduce((most, count) => Math.max(most, count), 0) ?? 0,
      qDataPages: [],
    },
    pages: requested =>
      pageAreas(requested, { columns: 1, rows: elements.length }).map(qArea => ({
        qMatrix:
          qArea.qWidth === 0
            ? []
            : elements.slice(qArea.qTop, qArea.qTop + qArea.qHeight).map(element => [cell(element)]),
        qTails: [],
        qArea,
        qIsReduced: false,
      })),
  }
}

/** `V` requests counts; charts also send the long form of the enumeration. */
const wantsFrequency = (definition: JsonObject) =>
  ['V', 'NX_FREQUENCY_VALUE'].includes(textIn(definition.qFrequencyMode))

function highlight(text: string, search: string | undefined): JsonObject {
  const pattern = search?.replaceAll(/[*?]/g, '').trim().toLowerCase()
  const qCharPos = pattern ? text.toLowerCase().indexOf(pattern) : -1
  return pattern && qCharPos >= 0 ? { qHighlightRanges: { qRanges: [{ qCharPos, qCharCount: pattern.length }] } } : {}
}
