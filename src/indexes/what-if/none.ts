import type { WhatIfPlan, WhatIfPlanner } from "./planner.ts"

/** The planner that prices nothing: every cost is NaN, every size null, and advice rests on rules alone. */
export function noPlanner(): WhatIfPlanner {
  return {
    name: "none",
    calls: 0,
    canPrice: () => false,
    plan: async (): Promise<WhatIfPlan> => ({ cost: Number.NaN, used: [], existingUsed: [], plan: null }),
    size: async () => null,
    close: async () => {},
  }
}
