/** Packages without types of their own, described as far as they are used; and what the build resolves by itself. */
declare module '@nebula.js/sn-*' {
  const supernova: unknown
  export default supernova
}
declare module 'enigma.js/schemas/12.2027.0.json' {
  const schema: object
  export default schema
}
declare module 'qlik-api:*'
