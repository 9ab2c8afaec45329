/** Modules without types, and modules that the build resolves. */
declare module '@nebula.js/sn-*' {
  const supernova: unknown
  export default supernova
}
declare module 'enigma.js/schemas/12.2027.0.json' {
  const schema: object
  export default schema
}
declare module 'qlik-api:*'
