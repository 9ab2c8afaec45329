import { b } from 'express-qlik-oauth'
export const c = b
