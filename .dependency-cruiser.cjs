/**
 * Which folder may import which. `pnpm lint` checks it.
 *
 * apps/demo -> express-qlik-oauth -> qlik-oauth; the simulator imports neither. Within a package, a room imports only
 * the rooms listed for it.
 */
const rooms = {
  'packages/qlik-oauth/src': {
    protocol: [],
    stores: ['protocol'],
    redis: ['stores', 'protocol'],
    tokens: ['stores', 'protocol'],
    logins: ['tokens', 'stores', 'protocol'],
    tenant: ['tokens', 'stores', 'protocol'],
    native: ['tokens', 'stores', 'protocol'],
    cli: ['logins', 'tenant', 'native', 'tokens', 'stores', 'protocol'],
  },
  'packages/express-qlik-oauth/src': {
    http: [],
    proxy: ['http'],
    socket: ['http'],
    login: ['proxy', 'socket', 'http'],
  },
  'packages/express-qlik-oauth/src/proxy': {
    response: [],
  },
  'packages/express-qlik-oauth/src/login': {
    'application-session': [],
    cookies: [],
    frames: [],
    hooks: [],
    options: ['cookies', 'frames', 'hooks', 'application-session'],
    context: ['options', 'cookies', 'frames', 'hooks', 'application-session'],
  },
  'packages/express-qlik-oauth/src/http': {
    options: [],
    response: [],
    clients: ['options'],
    location: ['options'],
  },
  'packages/qlik-tenant-simulator/src': {
    apps: [],
    controls: [],
    'embed-runtime': [],
    http: [],
    tenant: ['apps', 'http'],
    pages: ['tenant'],
    engine: ['apps'],
    oauth: ['pages', 'tenant', 'http'],
    rest: ['tenant', 'apps', 'http'],
    server: ['rest', 'oauth', 'pages', 'engine', 'embed-runtime', 'controls', 'tenant', 'apps', 'http'],
  },
  'packages/qlik-tenant-simulator/src/engine': {
    'json-rpc': [],
    data: ['json-rpc'],
    selections: ['data'],
    objects: ['selections', 'data', 'json-rpc'],
    methods: ['objects', 'selections', 'data', 'json-rpc'],
  },
}

const roomRules = Object.entries(rooms).flatMap(([folder, arrows]) =>
  Object.entries(arrows).map(([room, below]) => ({
    name: `${folder.split('/')[1]}: ${room} imports only ${below.join(', ') || 'itself'}`,
    severity: 'error',
    from: { path: `^${folder}/${room}/`, pathNot: '\\.test\\.ts$' },
    to: { path: `^${folder}/`, pathNot: `^${folder}/(?:${[room, ...below].join('|')})/` },
  })),
)

module.exports = {
  forbidden: [
    { name: 'no circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'qlik-oauth imports no other package',
      severity: 'error',
      from: { path: '^packages/qlik-oauth/(?:src|contract)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^(?:packages/(?!qlik-oauth/)|apps/)' },
    },
    {
      name: 'express-qlik-oauth imports qlik-oauth only',
      severity: 'error',
      from: { path: '^packages/express-qlik-oauth/src/', pathNot: '\\.test\\.ts$' },
      to: { path: '^(?:packages/(?!(?:express-)?qlik-oauth/)|apps/)' },
    },
    {
      name: 'the simulator is an independent witness',
      severity: 'error',
      from: { path: '^packages/qlik-tenant-simulator/' },
      to: { path: '^(?:packages/(?:express-)?qlik-oauth/|apps/)' },
    },
    {
      name: 'only tests and the development start of the demo import the simulator',
      severity: 'error',
      from: { path: '^apps/demo/src/', pathNot: '\\.test\\.ts$' },
      to: { path: '^packages/qlik-tenant-simulator/' },
    },
    {
      name: 'sources do not import tests or test support',
      severity: 'error',
      from: { path: '/src/', pathNot: '\\.test\\.ts$|^packages/test-support/' },
      to: { path: '/(?:test|test-support|contract)/' },
    },
    ...roomRules,
  ],
  options: {
    doNotFollow: { path: 'node_modules|/dist/' },
    exclude: { path: '/dist/' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.cjs', '.json'],
    },
  },
}
