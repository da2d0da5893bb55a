import type { Clock } from "../../src/monitor/index.ts"

/** A clock that stands still until it is moved. */
export interface TestClock extends Clock {
  /** Both clocks. */
  advance(ms: number): void
  /** The wall clock only, as an administrator or a leap does. */
  jump(ms: number): void
}

export function testClock(wall: number = Date.UTC(2026, 0, 5, 12, 0, 30)): TestClock {
  let now = wall
  let monotonic = 1_000_000
  return {
    wall: () => now,
    monotonic: () => monotonic,
    advance: (ms) => {
      now += ms
      monotonic += ms
    },
    jump: (ms) => {
      now += ms
    },
  }
}
