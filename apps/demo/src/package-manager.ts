import { execFileSync } from 'node:child_process'

/**
 * Calls `end` when a package manager that started this process is gone: `npx` passes no signal on to what it runs, and
 * nobody does who was killed.
 *
 * Without a package manager above, as in a container, nothing is watched.
 */
export function endWithPackageManager(end: () => void): void {
  const watched = packageManagers()
  if (watched.length === 0) return
  const timer = setInterval(() => {
    if (watched.every(isAlive)) return
    clearInterval(timer)
    end()
  }, 500)
  timer.unref()
}

/** The processes above this one, up to the outermost that is a package manager; what is above that may come and go. */
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
    // Machines without `ps`: then it is the signal or nothing.
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
