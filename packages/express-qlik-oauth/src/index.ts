import { a } from 'qlik-oauth'
export const b: number = a
