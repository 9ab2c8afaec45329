/** Waits for something that another process does and cannot tell. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Not within ${withinMs} ms: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
