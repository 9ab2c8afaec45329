import type { ChildProcess } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'

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
export async function residentMegabytes(process: ChildProcess): Promise<number> {
  return (await statusBytes(process, 'VmRSS')) / 1024 / 1024
}

/** The most resident memory since the start, or since `resetPeakResidentBytes`. */
export async function peakResidentBytes(process: ChildProcess): Promise<number> {
  return await statusBytes(process, 'VmHWM')
}

/** proc(5), `clear_refs`. */
export async function resetPeakResidentBytes({ pid }: ChildProcess): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5')
}

async function statusBytes({ pid }: ChildProcess, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1024
}
