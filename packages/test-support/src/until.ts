/** Waits for what another process does and does not announce. The limit only ends tests that wait in vain. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 30_000): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Not within ${withinMs} ms: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
