import type { ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'

/** User and system time of a process and its workers so far, in microseconds; the kernel counts in ticks of 10 ms. */
export async function cpuMicroseconds({ pid }: ChildProcess): Promise<number> {
  const workers = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean)
  const times = await Promise.all(
    [pid, ...workers].map(async id => {
      const fields = (await readFile(`/proc/${id}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ')
      return Number(fields[11]) + Number(fields[12])
    }),
  )
  return times.reduce((sum, time) => sum + time, 0) * 10_000
}

/** Resident memory in MB. */
export async function residentMegabytes({ pid }: ChildProcess): Promise<number> {
  const [, kilobytes = '0'] = /VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1024
}
