import express, { type Express } from 'express'

/** The path of `PUBLIC_URL`, such as `/portal`; empty at the root. */
export function basePath(publicUrl: string): string {
  return new URL(publicUrl).pathname.replace(/\/$/, '')
}

/** Serves an application below the base path, and at the root for a balancer that removes this path from requests. */
export function belowBasePath(app: Express, publicUrl: string): Express {
  const base = basePath(publicUrl)
  return base === '' ? app : express().disable('x-powered-by').use(base, app).use(app)
}
