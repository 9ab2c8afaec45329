import { run } from './run.ts'

/** Starts the application, configured by the environment: what `pnpm start` and the container run. */
await run()
