import type { ObjectProperties } from './analytics-app.ts'

/** A measure of a chart. */
export interface Measure {
  readonly label: string
  readonly expression: string
  /** Number format pattern, such as `#,##0.0`. @default the chart's format */
  readonly format?: string
}

/** What all charts need. */
export interface ChartOptions {
  /** Object id. */
  readonly id: string
  readonly title: string
  readonly dimensions?: readonly string[]
  readonly measures: readonly Measure[]
}

/** A KPI: a single number. */
export function kpi(options: ChartOptions): ObjectProperties {
  return chart(
    'kpi',
    options,
    { qInitialDataFetch: [{ qWidth: 500, qHeight: 10 }] },
    {
      showTitles: false,
      showDetails: true,
      showMeasureTitle: true,
      showSecondMeasureTitle: true,
      textAlign: 'center',
      layoutBehavior: 'relative',
      disableNavMenu: true,
      fontSize: 'M',
      useLink: false,
    },
  )
}

/** A bar chart, longest bar first. */
export function barChart(options: ChartOptions): ObjectProperties {
  return chart(
    'barchart',
    options,
    { qInterColumnSortOrder: [1, 0], qInitialDataFetch: [{ qWidth: 17, qHeight: 500 }] },
    {
      ...axes,
      barGrouping: { grouping: 'grouped' },
      dataPoint: { showLabels: true, showSegmentLabels: false, showTotalLabels: true },
      orientation: 'horizontal',
    },
  )
}

/** A line chart over the first dimension, with one line per value of the second. */
export function lineChart(options: ChartOptions): ObjectProperties {
  const definition = {
    qAlwaysFullyExpanded: true,
    qInterColumnSortOrder: [0, 1],
    qInitialDataFetch: [{ qWidth: 17, qHeight: 500 }],
  }
  return chart('linechart', options, definition, {
    ...axes,
    dataPoint: { show: true, showLabels: false },
    lineType: 'line',
    nullMode: 'gap',
    orientation: 'horizontal',
    separateStacking: true,
    stackedArea: false,
  })
}

/** A pie chart, largest share first. */
export function pieChart(options: ChartOptions): ObjectProperties {
  return chart(
    'piechart',
    options,
    { qInterColumnSortOrder: [1, 0], qInitialDataFetch: [{ qWidth: 10, qHeight: 500 }] },
    {
      color: byDimension,
      components: [
        {
          key: 'slices',
          style: {
            strokeWidth: 'none',
            strokeColor: { index: -1, color: '#FFFFFF' },
            cornerRadius: 0,
            innerRadius: 0.55,
          },
        },
      ],
      dataPoint: { auto: true, labelMode: 'share', labelValueMode: 'arc' },
      dimensionTitle: false,
      donut: { showAsDonut: true },
      legend,
      tooltip,
    },
  )
}

/** A table with totals. */
export function table(options: ChartOptions): ObjectProperties {
  return chart(
    'table',
    options,
    { qInitialDataFetch: [{ qWidth: 50, qHeight: 100 }], qSuppressMissing: false },
    {
      enableChartExploration: false,
      totals: { show: true, position: 'top', label: 'Total' },
      usePagination: false,
    },
  )
}

/** A scatter plot: the measures are x, y and size. */
export function scatterPlot(options: ChartOptions): ObjectProperties {
  return chart(
    'scatterplot',
    options,
    { qInitialDataFetch: [] },
    {
      color: { ...byDimension, auto: true },
      dataPoint: { bubbleSizes: 5, rangeBubbleSizes: [2, 8], compressionResolution: 5 },
      disableNavMenu: true,
      gridLine: { auto: true, spacing: 2 },
      labels: { mode: 1 },
      legend,
      navigation: false,
      refLine: { refLinesX: [], refLinesY: [] },
      trendLines: [],
      tooltip: { ...tooltip, title: '', description: '' },
      xAxis: { show: 'all', dock: 'near', spacing: 1, autoMinMax: true, minMax: 'min', min: 0, max: 10 },
      yAxis: { show: 'all', dock: 'near', spacing: 1, autoMinMax: true, minMax: 'min', min: 0, max: 10 },
    },
  )
}

/** Properties of a chart: titles, and a hypercube with its dimensions and measures. */
function chart(
  qType: string,
  { id, title, dimensions = [], measures }: ChartOptions,
  cube: object,
  appearance: object,
): ObjectProperties {
  const columns = dimensions.length + measures.length
  return {
    qInfo: { qId: id, qType },
    qMetaDef: { title },
    visualization: qType,
    showTitles: true,
    title,
    subtitle: '',
    footnote: '',
    showDetails: false,
    showDisclaimer: true,
    components: [],
    ...appearance,
    qHyperCubeDef: {
      qDimensions: dimensions.map(dimensionOf),
      qMeasures: measures.map(measureOf),
      qInterColumnSortOrder: Array.from({ length: columns }, (_, column) => column),
      qSuppressMissing: true,
      qSuppressZero: false,
      qMode: 'S',
      qColumnOrder: [],
      qExpansionState: [],
      ...cube,
    },
  }
}

function dimensionOf(field: string) {
  return {
    qDef: {
      qFieldDefs: [field],
      qFieldLabels: [fieldLabels[field] ?? field],
      cId: `dimension-${field}`,
      columnWidth,
      qSortCriterias: [{ qSortByNumeric: 1, qSortByAscii: 1, qSortByLoadOrder: 1 }],
    },
    qOtherTotalSpec: {},
    qAttributeExpressions: [],
    qAttributeDimensions: [],
  }
}

function measureOf({ label, expression, format }: Measure) {
  const qNumFormat =
    format === undefined
      ? {}
      : { qNumFormat: { qType: 'F', qnDec: 2, qUseThou: 1, qFmt: format, qDec: '.', qThou: ',' } }
  return {
    qDef: { qDef: expression, qLabel: label, cId: `measure-${label}`, columnWidth, ...qNumFormat },
    qSortBy: { qSortByNumeric: -1, qSortByLoadOrder: 1 },
    qAttributeExpressions: [],
    qAttributeDimensions: [],
  }
}

/** Used by tables only. */
const columnWidth = { type: 'fitToContent' }
const fieldLabels: Readonly<Record<string, string>> = { country: 'Country', region: 'Region', year: 'Year' }

const tooltip = { auto: true, hideBasic: false, data: {} }
const legend = { dock: 'auto', show: true, showTitle: true }
const color = {
  auto: true,
  mode: 'primary',
  autoMinMax: true,
  dimensionScheme: '12',
  expressionIsColor: true,
  expressionLabel: '',
  formatting: { numFormatFromTemplate: true },
  measureScheme: 'sg',
  paletteColor: { index: 6 },
  persistent: false,
  reverseScheme: false,
  useBaseColors: 'off',
  useDimColVal: true,
  useMeasureGradient: true,
}
const byDimension = { ...color, auto: false, mode: 'byDimension' }
const axes = {
  color,
  dimensionAxis: {
    axisDisplayMode: 'auto',
    continuousAuto: false,
    dock: 'near',
    label: 'auto',
    maxVisibleItems: 10,
    show: 'labels',
  },
  gridLine: { auto: true, spacing: 2 },
  legend,
  measureAxis: {
    autoMinMax: true,
    dock: 'near',
    logarithmic: false,
    max: 10,
    min: 0,
    minMax: 'min',
    show: 'labels',
    spacing: 1,
  },
  preferContinuousAxis: false,
  refLine: { refLines: [], dimRefLines: [] },
  scrollbar: 'none',
  scrollStartPos: 0,
  showMiniChartForContinuousAxis: false,
  tooltip,
}
