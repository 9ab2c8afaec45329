/**
 * Samples all subjects in turn, each round in another order, so that other load on the machine affects all of them.
 *
 * @returns The samples of each, one per round.
 */
export async function inTurn<One, Taken>(
  all: readonly One[],
  rounds: number,
  take: (one: One) => Promise<Taken>,
): Promise<Map<One, Taken[]>> {
  const samples = new Map<One, Taken[]>(all.map(one => [one, []]))
  for (let round = 0; round < rounds; round += 1) {
    const order = all.map((_, index) => all[(index * (round % 2 === 0 ? 1 : -1) + round + all.length) % all.length])
    for (const one of order) if (one !== undefined) samples.get(one)?.push(await take(one))
  }
  return samples
}
