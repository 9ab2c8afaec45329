/**
 * Waits until all have started. When one of them fails, those that have started are closed before its error is thrown;
 * otherwise they would run on, since the test never learns of them.
 */
export async function startAll<const Started extends readonly Promise<Closable>[]>(
  ...starting: Started
): Promise<{ -readonly [At in keyof Started]: Awaited<Started[At]> }> {
  const settled = await Promise.allSettled(starting)
  const failure = settled.find(one => one.status === 'rejected')
  if (failure === undefined) return (await Promise.all(starting)) as never
  for (const one of settled) if (one.status === 'fulfilled') await close(one.value)
  throw failure.reason
}

export type Closable = { close(): unknown } | { stop(): unknown } | { end(): unknown }

async function close(one: Closable): Promise<void> {
  if ('close' in one) await one.close()
  else if ('stop' in one) await one.stop()
  else await one.end()
}
