import type { ObjectProperties } from './analytics-app.ts'
import { barChart, kpi, lineChart, type Measure, pieChart, scatterPlot, table } from './chart.ts'

/** Object ids of the dashboard; every default app has them. */
export const dashboardObjects = {
  sheet: 'sheet-overview',
  kpi: 'kpi-population',
  bar: 'bar-life-expectancy',
  line: 'line-population',
  pie: 'pie-population',
  table: 'table-countries',
  scatter: 'scatter-wealth',
} as const

/**
 * A sheet with a KPI, a bar chart, a line chart, a pie chart, a table and a scatter plot over Gapminder fields.
 *
 * @param group - Dimension of the bar chart and the pie chart.
 */
export function dashboard(title: string, group: 'region' | 'country' | 'year'): readonly ObjectProperties[] {
  const ids = dashboardObjects
  const charts = [
    kpi({ id: ids.kpi, title: 'Population', measures: [population] }),
    barChart({ id: ids.bar, title: 'Life expectancy', dimensions: [group], measures: [lifeExpectancy] }),
    lineChart({
      id: ids.line,
      title: 'Population over the years',
      dimensions: ['year'],
      measures: [{ ...population, expression: '=Sum(pop)' }],
    }),
    pieChart({ id: ids.pie, title: 'Share of the population', dimensions: [group], measures: [population] }),
    table({
      id: ids.table,
      title: 'Countries',
      dimensions: ['country', 'region'],
      measures: [{ ...population, format: '#,##0' }, lifeExpectancy, fertility],
    }),
    scatterPlot({
      id: ids.scatter,
      title: 'Fertility and life expectancy',
      dimensions: ['country'],
      measures: [fertility, lifeExpectancy],
    }),
  ]
  return [sheet(title, charts), ...charts]
}

/** The average over the selected years: a sum over years would count people several times. */
const population: Measure = { label: 'Population', expression: '=Sum(pop) / Count(distinct year)' }
const lifeExpectancy: Measure = { label: 'Life expectancy', expression: '=Avg(life_expect)', format: '#,##0.0' }
const fertility: Measure = { label: 'Children per woman', expression: '=Avg(fertility)', format: '#,##0.0' }

/** Position of each chart on the sheet's grid of 24 columns and 12 rows. */
const positions = [
  { col: 0, row: 0, colspan: 6, rowspan: 4 },
  { col: 6, row: 0, colspan: 9, rowspan: 6 },
  { col: 15, row: 0, colspan: 9, rowspan: 6 },
  { col: 0, row: 4, colspan: 6, rowspan: 8 },
  { col: 6, row: 6, colspan: 9, rowspan: 6 },
  { col: 15, row: 6, colspan: 9, rowspan: 6 },
]

function sheet(title: string, charts: readonly ObjectProperties[]): ObjectProperties {
  return {
    qInfo: { qId: dashboardObjects.sheet, qType: 'sheet' },
    qMetaDef: { title, description: '' },
    qChildListDef: { qData: { title: '/title' } },
    qChildren: charts.map(chart => chart.qInfo),
    rank: 0,
    columns: 24,
    rows: 12,
    cells: charts.map((chart, index) => ({ name: chart.qInfo.qId, type: chart.qInfo.qType, ...positions[index] })),
  }
}
