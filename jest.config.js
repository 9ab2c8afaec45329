/** Tests run from the TypeScript sources, as ES modules; nothing is built first. */
export default {
  testMatch: ['<rootDir>/{packages,apps}/*/{src,test}/**/*.test.ts', '<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': ['@swc/jest', { jsc: { target: 'es2023', parser: { syntax: 'typescript' } } }] },
  // The packages find each other's sources through the export condition "source".
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  testTimeout: 20_000,
  // Jest would leave a core idle; most tests wait for servers rather than compute.
  maxWorkers: '100%',
}
