export type { Access, FindAccess } from './access.ts'
