export type { Access, FindAccess } from './access.ts'
export { answer, type ErrorAnswer, errorAnswer } from './error-answer.ts'
export { Refusal, type RefusalCode, refusalTable } from './refusal.ts'
