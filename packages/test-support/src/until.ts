/** Waits for what another process does and does not announce. The limit only ends tests that wait in vain. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 30_000): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Not within ${withinMs} ms: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

/**
 * Waits for what is promised within a second.
 *
 * On a machine that runs other programs too, a second may pass before a process gets its turn. Five are allowed: what
 * this has to tell apart never happens at all, or only when a timer of ten seconds or more runs out.
 */
export async function promptly<T>(happens: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('This takes more than five seconds')), 5000)
  })
  try {
    return await Promise.race([happens, late])
  } finally {
    clearTimeout(timer)
  }
}
