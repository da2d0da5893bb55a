import { type FunctionInfo, type OperatorInfo, type TypeCatalog, type TypeInfo, typeIds } from "./type-catalog.ts"

/** A function or operator picked for some arguments, and what each argument is converted to. */
export interface Picked<T> {
  readonly chosen: T
  readonly args: readonly TypeInfo[]
  readonly result: TypeInfo
}

/** The function that PostgreSQL calls for arguments of these types (documentation 10.3); null when none or several would do. */
export function pickFunction(
  catalog: TypeCatalog,
  schema: string | null,
  name: string,
  inputs: readonly TypeInfo[],
  variadicCall: boolean,
): Picked<FunctionInfo> | null {
  const candidates: Candidate<FunctionInfo>[] = []
  for (const info of catalog.functions(schema, name)) {
    const params = parametersFor(info, inputs.length, variadicCall)
    // The first of equal signatures is the one found first on the search path.
    if (params !== null && !candidates.some((other) => sameIds(other.params, params))) candidates.push({ info, params })
  }
  const picked = pick(catalog, candidates, inputs)
  return picked === null ? null : finished(catalog, picked, inputs, picked.info.result)
}

/** The operator for operands of these types (documentation 10.2); `left` is null for a prefix operator. */
export function pickOperator(
  catalog: TypeCatalog,
  schema: string | null,
  name: string,
  left: TypeInfo | null,
  right: TypeInfo,
): Picked<OperatorInfo> | null {
  const inputs = left === null ? [right] : [left, right]
  const candidates = catalog
    .operators(schema, name)
    .filter((info) => (info.left === null) === (left === null))
    .map((info) => ({ info, params: info.left === null ? [info.right] : [info.left, info.right] }))
  // One operand of unknown type is first taken to be of the other's type.
  const assumed =
    left === null
      ? inputs
      : inputs.map((type, at) => (type.id === typeIds.unknown ? inputs[1 - at]! : type)).map((type) => baseOf(type, catalog))
  const exact = candidates.find(({ params }) =>
    sameIds(
      params,
      assumed.map(({ id }) => id),
    ),
  )
  const picked = exact ?? pick(catalog, candidates, inputs)
  return picked === null ? null : finished(catalog, picked, inputs, picked.info.result)
}

interface Candidate<T> {
  readonly info: T
  /** Types of as many parameters as there are arguments. */
  readonly params: readonly number[]
}

function parametersFor(info: FunctionInfo, count: number, variadicCall: boolean): readonly number[] | null {
  if (info.kind === "procedure") return null
  if (info.variadic !== null && !variadicCall) {
    const fixed = info.args.slice(0, -1)
    if (count < fixed.length + (info.variadic === anyId ? 0 : 1)) return null
    return [...fixed, ...new Array<number>(count - fixed.length).fill(info.variadic)]
  }
  if (count > info.args.length || count < info.args.length - info.defaults) return null
  return info.args.slice(0, count)
}

const anyId = 2276
/** Pseudo-types that stand for the type of an argument. */
const elements: ReadonlySet<number> = new Set([2283, 2776, 3500, 5077, 5079])
const arrays: ReadonlySet<number> = new Set([2277, 5078])

function pick<T>(catalog: TypeCatalog, all: readonly Candidate<T>[], inputs: readonly TypeInfo[]): Candidate<T> | null {
  const exact = all.filter(({ params }) =>
    sameIds(
      params,
      inputs.map(({ id }) => id),
    ),
  )
  if (exact.length > 0) return exact[0]!
  let left: readonly Candidate<T>[] = all.filter(({ params }) =>
    params.every((param, at) => convertible(catalog, inputs[at]!, param)),
  )
  if (left.length <= 1) return left[0] ?? null
  const bases = inputs.map((type) => (type.id === typeIds.unknown ? type : baseOf(type, catalog)))
  const known = bases.map((type) => type.id !== typeIds.unknown)
  left = bestBy(left, ({ params }) => params.filter((param, at) => known[at] && param === bases[at]!.id).length)
  if (left.length === 1) return left[0]!
  left = bestBy(
    left,
    ({ params }) =>
      params.filter((param, at) => known[at] && (param === bases[at]!.id || preferredIn(catalog, bases[at]!.category, param)))
        .length,
  )
  if (left.length === 1) return left[0]!
  if (known.every(Boolean)) return null
  return byUnknowns(catalog, left, bases, known)
}

/** What the literals of unknown type can tell: a category that all candidates agree on, else the type of the known arguments. */
function byUnknowns<T>(
  catalog: TypeCatalog,
  candidates: readonly Candidate<T>[],
  bases: readonly TypeInfo[],
  known: readonly boolean[],
): Candidate<T> | null {
  let left = candidates
  let settled = true
  const categories = bases.map((_type, at) => {
    if (known[at]) return null
    const offered = left.map(({ params }) => catalog.typeById(params[at]!)?.category ?? "P")
    if (offered.includes("S")) return "S"
    if (offered.every((category) => category === offered[0])) return offered[0]!
    settled = false
    return null
  })
  if (settled) {
    const fitting = left.filter(({ params }) =>
      params.every((param, at) => {
        const category = categories[at]
        if (category === null || category === undefined) return true
        const type = catalog.typeById(param)
        if (type?.category !== category) return false
        const somePreferred = left.some((other) => preferredIn(catalog, category, other.params[at]!))
        return !somePreferred || type.preferred
      }),
    )
    if (fitting.length > 0) left = fitting
    if (left.length === 1) return left[0]!
  }
  const types = new Set(bases.filter((_type, at) => known[at]).map(({ id }) => id))
  if (types.size !== 1) return null
  const [only] = types
  const assumed = left.filter(({ params }) => params.every((param) => convertible(catalog, catalog.typeById(only!)!, param)))
  return assumed.length === 1 ? assumed[0]! : null
}

function bestBy<T>(items: readonly T[], score: (item: T) => number): readonly T[] {
  const scores = items.map(score)
  const best = Math.max(...scores)
  return items.filter((_item, at) => scores[at] === best)
}

function preferredIn(catalog: TypeCatalog, category: string, id: number): boolean {
  const type = catalog.typeById(id)
  return type?.preferred === true && type.category === category
}

/** True when a value of the type may stand where the parameter type is asked for, without a cast being written. */
export function convertible(catalog: TypeCatalog, source: TypeInfo, target: number): boolean {
  if (source.id === typeIds.unknown || source.id === target || target === anyId) return true
  if (target === 3500) return baseOf(source, catalog).kind === "enum"
  if (elements.has(target)) return target !== 2776 || source.element === null
  if (arrays.has(target)) return baseOf(source, catalog).category === "A"
  if (target === 3831 || target === 5080) return baseOf(source, catalog).kind === "range"
  const base = baseOf(source, catalog)
  if (base.id === target) return true
  if (target === typeIds.record) return base.kind === "composite"
  const cast = catalog.cast(base.id, target)
  if (cast !== null) return cast.context === "implicit"
  const targetType = catalog.typeById(target)
  if (targetType?.element && base.element && targetType.category === "A" && base.category === "A") {
    const element = catalog.typeById(base.element)
    return element !== null && convertible(catalog, element, targetType.element)
  }
  return false
}

/** The type under a domain. */
export function baseOf(type: TypeInfo, catalog: TypeCatalog): TypeInfo {
  let at = type
  while (at.kind === "domain" && at.base !== null) at = catalog.typeById(at.base) ?? { ...at, kind: "base" }
  return at
}

function finished<T>(
  catalog: TypeCatalog,
  candidate: Candidate<T>,
  inputs: readonly TypeInfo[],
  result: number,
): Picked<T> | null {
  let element: TypeInfo | null = null
  for (const [at, param] of candidate.params.entries()) {
    const input = baseOf(inputs[at]!, catalog)
    if (input.id === typeIds.unknown) continue
    if (elements.has(param)) element ??= inputs[at]!
    else if (arrays.has(param) && input.element !== null) element ??= catalog.typeById(input.element)
  }
  element ??= candidate.params.some((param) => elements.has(param)) ? catalog.typeById(typeIds.text) : null
  const concrete = (id: number, given: TypeInfo | null): TypeInfo | null => {
    if (elements.has(id)) return element
    if (arrays.has(id)) return element?.array ? catalog.typeById(element.array) : null
    if (id === anyId && given !== null) return given.id === typeIds.unknown ? catalog.typeById(typeIds.text) : given
    return catalog.typeById(id)
  }
  const args = candidate.params.map((param, at) => concrete(param, inputs[at]!))
  const type = concrete(result, null)
  if (type === null || args.some((arg) => arg === null)) return null
  return { chosen: candidate.info, args: args as TypeInfo[], result: type }
}

function sameIds(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, at) => id === b[at])
}
