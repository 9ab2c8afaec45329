/** Tests run from the TypeScript sources, as ES modules; nothing is built first. */
export default {
  testMatch: ['<rootDir>/{packages,apps}/*/{src,test}/**/*.test.ts', '<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': ['@swc/jest', { jsc: { target: 'es2023', parser: { syntax: 'typescript' } } }] },
  // The packages find each other's sources through the export condition "source".
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  // Tests wait for events. This ends those that wait in vain, also on a machine that is busy with other things.
  testTimeout: 60_000,
  reporters: ['default', '<rootDir>/packages/test-support/src/end-of-run.js'],
  // Jest would leave a core idle; most tests wait for servers rather than compute.
  maxWorkers: '100%',
}
