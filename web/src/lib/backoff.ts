// Growing, jittered delays.

const steps_ms = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000]

/** Before the next try of a message after `failures` failures: 1, 2, 4 … 30 s, ±20 %. */
export function retryDelay_ms(failures: number, random = Math.random): number {
  const step = steps_ms[Math.min(Math.max(failures, 1), steps_ms.length) - 1]!
  return Math.round(step * (0.8 + 0.4 * random()))
}

/** Before the next connection: 0.5 s doubling to 30 s, the upper half at random. */
export function reconnectDelay_ms(attempt: number, random = Math.random): number {
  const ceiling = Math.min(30_000, 500 * 2 ** attempt)
  return Math.round(ceiling * (0.5 + 0.5 * random()))
}
