import { childrenOf, type Expression, mapChildren, type Operator } from "../../sql/index.ts"
import {
  constantOf,
  convertConstant,
  domainOf,
  makeConstant,
  onGrid,
  timeText,
  typeIds,
  type Value,
} from "../../sql/typing/index.ts"
import type { Equivalences } from "./equivalence.ts"
import { isNullFor } from "./logic/nulls.ts"
import { type Knowledge, sideOf, withoutCasts } from "./logic/side.ts"
import { showsWhich } from "./sameness.ts"
import { type Bucket, type BucketColumn, bucketOf, fromBucket, startOf } from "./time-bucket.ts"
import { bucketStart } from "./time-unit.ts"
import { toLocal } from "./time-zone.ts"
import { columnsOfExpression, keyOf, substitute, type World } from "./world.ts"

/** A column of the view in the query's terms: what it holds, and how it is read. */
export interface KeptColumn {
  readonly expression: Expression
  readonly read: Expression
}

export interface DerivationOptions {
  readonly world: World
  readonly columns: readonly KeptColumn[]
  /** Leaves that the view stands for: no column of them may be left. */
  readonly covered: ReadonlySet<number>
  /** Equalities that hold for the rows at hand: of the view alone, or of the query as well. */
  readonly equivalences: Equivalences
  /** The view will stand on the inner side of an outer join: what is derived must be NULL where its row is. */
  readonly padded: boolean
  readonly knowledge: Knowledge
  readonly sameZone: boolean
  /** Keys of the view's groups of which equal values need not be the same. */
  readonly isLoose: (expression: Expression) => boolean
}

/** Writes expressions of the query's tables in terms of a view's columns; null where that cannot be done. */
export type Derive = (expression: Expression) => Expression | null

export function derivation(options: DerivationOptions): Derive {
  const { world, covered, equivalences, sameZone } = options
  const kept = new Map<string, Expression>()
  const buckets: BucketColumn[] = []
  for (const { expression, read } of options.columns) {
    // Above an outer join the column is NULL where its row is padded; the expression has to be so too.
    if (options.padded && !isNullFor(expression, world, covered)) continue
    const bucket = bucketOf(expression, world)
    if (bucket !== null) buckets.push({ bucket, column: read, sameZone })
    // Local midnight of the session that refreshed: read by way of the bucket only.
    if (bucket?.calendar === "date" && bucket.as === "timestamptz" && !sameZone) continue
    const key = equivalences.key(expression)
    if (!kept.has(key)) kept.set(key, read)
  }
  const known = new Map<string, Expression | null>()

  const derive: Derive = (expression) => {
    const key = keyOf(expression, world)
    const before = known.get(key)
    if (before !== undefined) return before
    // A class may lead back to where it came from.
    known.set(key, null)
    const found = find(expression)
    known.set(key, found)
    return found
  }
  const find: Derive = (expression) => {
    const same = kept.get(equivalences.key(expression))
    if (same !== undefined) return sameType(same, expression, world)
    if (expression.kind === "column") return covered.has(expression.relation!) ? column(expression) : expression
    const bucket = fromBuckets(expression)
    if (bucket !== null) return bucket
    if (expression.kind === "operator") {
      const range = rangeOnBucket(expression)
      if (range !== null) return range
    }
    if (expression.kind === "sublink") return sublink(expression)
    if (showsWhich(expression, options.isLoose)) return null
    if (options.padded && !columnsOfExpression(expression, world).some((one) => covered.has(one.relation!))) return expression
    const parts = childrenOf(expression).map(derive)
    if (parts.some((part) => part === null)) return null
    let at = 0
    return mapChildren(expression, () => parts[at++]!)
  }
  const column = (expression: Expression): Expression | null => {
    for (const other of equivalences.others(expression)) {
      const read = kept.get(equivalences.key(other))
      if (read !== undefined) return sameType(read, expression, world)
    }
    const constant = options.padded ? null : equivalences.constant(expression)
    if (constant !== null) {
      const type = { ...world.typing.typeOf(expression), modifier: null }
      return convertConstant(constantOf(constant, world.typing.catalog)!, type)
    }
    return fromBuckets(expression)
  }
  const fromBuckets = (expression: Expression): Expression | null => {
    for (const bucket of buckets) {
      const found = fromBucket(expression, bucket, world)
      if (found !== null) return found
    }
    return null
  }
  const sublink = (expression: Extract<Expression, { kind: "sublink" }>): Expression | null => {
    const operand = expression.operand === null ? null : derive(expression.operand)
    if (expression.operand !== null && operand === null) return null
    const outer = columnsOfExpression({ ...expression, operand: null }, world)
    if (outer.some((one) => derive(one) === null)) return null
    return { ...substitute({ ...expression, operand: null }, world, derive), operand } as Expression
  }

  /** `placed_at >= '2025-01-01'` on days is `day >= '2025-01-01'`: a bound where buckets begin cuts none of them. */
  const rangeOnBucket = (expression: Operator): Expression | null => {
    if (expression.left === null || expression.quantifier !== null || !["<", "<=", ">", ">="].includes(expression.name))
      return null
    const subject = withoutCasts(expression.left, world)
    const side = sideOf(expression.right, options.knowledge)
    if (side?.kind !== "value") return null
    const subjectKey = equivalences.key(subject)
    for (const one of buckets) {
      if (equivalences.key(one.bucket.subject) !== subjectKey) continue
      const found = bound(expression, subject, side.value, one)
      if (found !== null) return found
    }
    return null
  }
  const bound = (expression: Operator, subject: Expression, value: Value, from: BucketColumn): Expression | null => {
    const step = domainOf(world.typing.typeOf(subject).info)?.step
    if (step === undefined || step === null) return null
    const lower = expression.name === ">" || expression.name === ">="
    // The first value inside (lower bound) or outside (upper bound).
    const after = expression.name === ">" || expression.name === "<="
    const edge = onGrid(value, step, !after, after ? 1n : 0n)
    const start = startOf(from, world)
    if (edge === null || start === null || !begins(edge, from.bucket)) return null
    const type = world.typing.typeOf(start).info
    const text = timeText(edge, type.id)
    if (text === null) return null
    return { ...expression, name: lower ? ">=" : "<", left: start, right: makeConstant({ info: type, modifier: null }, text) }
  }
  return derive
}

/** True when a bucket begins at this moment. */
function begins(edge: Value, bucket: Bucket): boolean {
  if (edge.position === null || typeof edge.position === "number") return false
  const { digits } = edge.position
  if (bucket.calendar !== "zone") return bucketStart(bucket.unit, digits) === digits
  const local = bucket.zone === null ? null : toLocal(bucket.zone, digits)
  return local !== null && bucketStart(bucket.unit, local) === local
}

const wholes: readonly number[] = [typeIds.smallint, typeIds.integer, typeIds.bigint]

/** What was read, as the type that the expression has: whole numbers of another width are cast; else the types agree. */
function sameType(read: Expression, expression: Expression, world: World): Expression {
  const wanted = world.typing.typeOf(expression).info
  const own = world.typing.typeOf(read).info
  if (own.id === wanted.id || !wholes.includes(own.id) || !wholes.includes(wanted.id)) return read
  return { kind: "cast", type: wanted.text, operand: read }
}
