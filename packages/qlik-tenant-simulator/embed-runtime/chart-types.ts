/** The chart types. A module is loaded when the first chart of its type is drawn. */
const loaders: Readonly<Record<string, () => Promise<{ readonly default: unknown }>>> = {
  barchart: () => import('@nebula.js/sn-bar-chart'),
  linechart: () => import('@nebula.js/sn-line-chart'),
  piechart: () => import('@nebula.js/sn-pie-chart'),
  kpi: () => import('@nebula.js/sn-kpi'),
  table: () => import('@nebula.js/sn-table'),
  scatterplot: () => import('@nebula.js/sn-scatter-plot'),
}

/** Other names of the chart types. */
const aliases: Readonly<Record<string, string>> = {
  'bar-chart': 'barchart',
  'sn-bar-chart': 'barchart',
  'line-chart': 'linechart',
  'sn-line-chart': 'linechart',
  'pie-chart': 'piechart',
  'sn-pie-chart': 'piechart',
  'sn-kpi': 'kpi',
  'sn-table': 'table',
  'scatter-plot': 'scatterplot',
  'sn-scatter-plot': 'scatterplot',
}

/** All names of chart types, as nebula.js registers them. */
export const chartTypes = [...Object.keys(loaders), ...Object.keys(aliases)].map(name => ({
  name,
  load: async () => (await loaders[aliases[name] ?? name]?.())?.default,
}))
