import type { PreparedView } from "./prepared-view.ts"

/** Finds the views that a statement could use by the tables that it reads, without looking at the others. */
export interface FilterIndex {
  /** Views whose indispensable tables are all among these. */
  readonly candidates: (tables: ReadonlySet<number>) => readonly PreparedView[]
}

/** Each form of a view is filed under one of its indispensable tables: the one that the fewest other views need. */
export function filterIndex(views: readonly PreparedView[]): FilterIndex {
  const uses = new Map<number, number>()
  for (const view of views)
    for (const required of view.required) for (const oid of required) uses.set(oid, (uses.get(oid) ?? 0) + 1)
  const filed = new Map<number, { readonly view: PreparedView; readonly required: ReadonlySet<number> }[]>()
  const anywhere: PreparedView[] = []
  for (const view of views) {
    for (const required of view.required) {
      const rarest = [...required].sort((a, b) => uses.get(a)! - uses.get(b)!)[0]
      if (rarest === undefined) anywhere.push(view)
      else if (filed.has(rarest)) filed.get(rarest)!.push({ view, required })
      else filed.set(rarest, [{ view, required }])
    }
  }
  return {
    candidates: (tables) => {
      const found = new Set(anywhere)
      for (const oid of tables)
        for (const { view, required } of filed.get(oid) ?? []) if (!found.has(view) && isWithin(required, tables)) found.add(view)
      return [...found]
    },
  }
}

function isWithin(part: ReadonlySet<number>, whole: ReadonlySet<number>): boolean {
  for (const member of part) if (!whole.has(member)) return false
  return true
}
