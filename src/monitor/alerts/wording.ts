/** A stretch of time for reading: "5.2 s", "12 min", "3 h", "40 days". */
export function span(ms: number): string {
  if (ms < 1000) return `${ms >= 10 ? ms.toFixed(0) : ms.toFixed(1)} ms`
  const seconds = ms / 1000
  if (seconds < 120) return `${short(seconds)} s`
  if (seconds < 7200) return `${short(seconds / 60)} min`
  if (seconds < 172_800) return `${short(seconds / 3600)} h`
  return `${short(seconds / 86_400)} days`
}

/** 0.0734 as "7.3 %". */
export function share(part: number): string {
  return `${short(part * 100)} %`
}

/** 2.04 as "2.0 times". */
export function times(factor: number): string {
  return `${short(factor)} times`
}

/** "1 index", "3 indexes". */
export function several(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`
}

/** A statement as people know it. */
export function statementName(summary: string | null, fingerprint: string): string {
  return summary === null ? `statement ${fingerprint}` : `${summary} (${fingerprint})`
}

function short(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, "")
}
