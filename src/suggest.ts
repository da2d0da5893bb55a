/** The candidates nearest to a mistyped name, best first: at most three, within a third of its length in edits. */
export function suggestionsFor(name: string, candidates: Iterable<string>): string[] {
  const limit = Math.max(1, Math.floor(name.length / 3))
  const lower = name.toLowerCase()
  const near: { candidate: string; distance: number }[] = []
  for (const candidate of candidates) {
    // A bare name may be meant for the end of a path.
    const known = candidate.toLowerCase()
    const end = name.includes(".") ? known : known.slice(known.lastIndexOf(".") + 1)
    const distance = Math.min(
      within(lower, known, limit),
      end === known ? Number.POSITIVE_INFINITY : within(lower, end, limit) + 1,
    )
    if (distance <= limit + 1) near.push({ candidate, distance })
  }
  near.sort((a, b) => a.distance - b.distance || a.candidate.localeCompare(b.candidate, "en"))
  const best = near[0]?.distance ?? 0
  return near
    .filter((entry) => entry.distance <= best + 1)
    .slice(0, 3)
    .map((entry) => entry.candidate)
}

/** ` Did you mean "a" or "b"?`, or nothing. */
export function didYouMean(suggestions: readonly string[]): string {
  if (suggestions.length === 0) return ""
  return ` Did you mean ${suggestions.map((suggestion) => JSON.stringify(suggestion)).join(" or ")}?`
}

function within(name: string, known: string, limit: number): number {
  if (Math.abs(known.length - name.length) > limit) return Number.POSITIVE_INFINITY
  const distance = editDistance(name, known, limit)
  return distance > limit ? Number.POSITIVE_INFINITY : distance
}

/** Optimal string alignment distance (insert, delete, replace, swap neighbours), cut off above `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    let best = i
    for (let j = 1; j <= b.length; j++) {
      let cost = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, beforePrevious[j - 2]! + 1)
      current.push(cost)
      best = Math.min(best, cost)
    }
    if (best > limit) return best
    beforePrevious = previous
    previous = current
  }
  return previous[b.length]!
}
