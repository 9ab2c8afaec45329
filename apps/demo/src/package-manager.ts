import { execFileSync } from 'node:child_process'

/**
 * Calls `onExit` when the package manager that started this process exits: `npx` forwards no signals, and a killed
 * process cannot.
 *
 * Does nothing without a package manager among the parent processes, as in a container.
 */
export function onPackageManagerExit(onExit: () => void): void {
  const watched = packageManagers()
  if (watched.length === 0) return
  const timer = setInterval(() => {
    if (watched.every(isAlive)) return
    clearInterval(timer)
    onExit()
  }, 500)
  timer.unref()
}

/** The ids of the parent processes up to the outermost package manager. */
function packageManagers(): readonly number[] {
  if (process.env.npm_lifecycle_event === undefined) return []
  const processes = runningProcesses()
  const chain: number[] = []
  for (let pid = process.ppid; pid > 1 && !chain.includes(pid); pid = processes.get(pid)?.parent ?? 0) chain.push(pid)
  const outermost = chain.findLastIndex(pid => /\b(npm|npx|pnpm|yarn)\b/.test(processes.get(pid)?.command ?? ''))
  return chain.slice(0, outermost + 1)
}

function runningProcesses(): ReadonlyMap<number, { readonly parent: number; readonly command: string }> {
  try {
    const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).split('\n')
    const fields = lines.map(line => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [])
    return new Map(fields.map(([, pid, parent, command = '']) => [Number(pid), { parent: Number(parent), command }]))
  } catch {
    // Without `ps` only signals stop the process.
    return new Map()
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
