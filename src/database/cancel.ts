/** A statement that does not heed its cancellation this long loses its connection. */
export const graceMs = 10_000
const pauses = [5, 10, 20, 40, 80, 160, 320, 640, 1000]

/**
 * Asks for a cancellation again and again until `settled`: the first request may come before the statement has started. Returns
 * only when no request is on its way. False when the statement has not settled within the grace.
 */
export async function cancelUntil(settled: Promise<unknown>, request: () => Promise<unknown>): Promise<boolean> {
  let running = true
  const end = settled.then(() => {
    running = false
  })
  const deadline = Date.now() + graceMs
  for (let round = 0; running && Date.now() < deadline; round++) {
    await within(request(), graceMs / 2)
    if (running) await within(end, pauses[Math.min(round, pauses.length - 1)]!)
  }
  return !running
}

/** Waits for a promise, but not for ever; its failure is no matter. */
export async function within(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([
    work.catch(ignore),
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms)
    }),
  ])
  clearTimeout(timer)
}

function ignore(): void {}
