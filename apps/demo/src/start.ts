import { run } from './run.ts'

/** Starts the application as the environment says: what `pnpm start` and the container run. */
await run()
