import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../sql/identifier.ts"
import type { Catalog, CatalogCollation, CatalogIndex, CatalogRelation, CatalogType, Skipped } from "./catalog.ts"
import type { Engine } from "./engine.ts"

/** Schema of the copy's own helpers. */
const own = "selecto_shadow"
/** Objects created with one call: a failure makes the whole call roll back, and then they are tried one by one. */
const batchSize = 200

/** DDL of one object, and what to say where it fails. */
interface Step {
  readonly kind: Skipped["kind"]
  readonly name: string
  readonly text: string
}

/** What a fresh engine needs before any object: planner settings, collations, schemas, extensions, types, functions. */
export async function buildSurroundings(engine: Engine, catalog: Catalog): Promise<Skipped[]> {
  await engine.execute(`set allow_system_table_mods = on; set check_function_bodies = off; set client_min_messages = error;
    create schema if not exists ${own}`)
  const skipped: Skipped[] = []
  const schemas = catalog.schemas.map((name) => step("relation", name, `create schema if not exists ${quoteIdentifier(name)}`))
  skipped.push(...(await createAll(engine, schemas)))
  skipped.push(...(await createAll(engine, collationSteps(catalog))))
  const known = catalog.extensions.filter(({ name }) => engine.extensions.has(name))
  const unknown = new Set(catalog.extensions.map(({ name }) => name).filter((name) => !engine.extensions.has(name)))
  skipped.push(
    ...[...unknown].map(
      (name): Skipped => ({
        kind: "extension",
        name,
        why: "the copy does not have it: its types are imitated, its functions and operators are unknown",
      }),
    ),
  )
  skipped.push(
    ...(await createAll(
      engine,
      known.map(({ name, schema }) =>
        step(
          "extension",
          name,
          `create extension if not exists ${quoteIdentifier(name)} schema ${quoteIdentifier(schema)} cascade`,
        ),
      ),
    )),
  )
  const types = (catalog.types as readonly (CatalogType & { extension?: string | null })[]).filter(
    (type) => type.extension == null || unknown.has(type.extension),
  )
  skipped.push(...(await createAll(engine, types.map(typeStep))))
  skipped.push(...types.filter(({ kind }) => kind === "b").map(imitated))
  return skipped
}

/** Functions may need row types of tables and tables may need functions: so they are tried before and after the tables. */
export async function buildFunctions(engine: Engine, catalog: Catalog): Promise<Skipped[]> {
  return createAll(
    engine,
    catalog.functions.map((found) => step("function", `${found.schema}.${found.name}(${found.arguments})`, found.definition)),
  )
}

/** The planner's settings: production's own, and what production's version does not know switched off. */
export function settingsText(catalog: Catalog): string {
  const missing: [number, string][] = [
    [140000, "enable_memoize"],
    [160000, "enable_presorted_aggregate"],
    [170000, "enable_group_by_reordering"],
    [180000, "enable_distinct_reordering"],
    [180000, "enable_self_join_elimination"],
  ]
  const off = missing.filter(([since]) => catalog.serverVersion < since).map(([, name]) => `set ${name} = off`)
  const path = catalog.searchPath.length === 0 ? "''" : catalog.searchPath.map(quoteIdentifier).join(", ")
  // A setting that 18 no longer has, or whose range is narrower here, must not end the import.
  const copied = catalog.settings.map(
    ([name, value]) => `do $selecto$ begin perform set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, false);
      exception when others then null; end $selecto$`,
  )
  return [...copied, ...off, "set plan_cache_mode = auto", `set search_path = ${path}`].join(";\n")
}

/** Tables with their columns, checks, inheritance, partitions and indexes, all empty. */
export async function buildTables(engine: Engine, catalog: Catalog, relations: readonly CatalogRelation[]): Promise<Skipped[]> {
  const skipped: Skipped[] = []
  const tables = relations.filter(({ kind }) => kind !== "v")
  const byId = new Map(catalog.relations.map((relation) => [relation.id, relation]))
  const failed = await createAll(
    engine,
    tables.map((table) => tableStep(table, null)),
  )
  for (const { name } of failed) {
    const table = tables.find((one) => nameOf(one) === name)
    if (table !== undefined) skipped.push(...(await createImitating(engine, table)))
  }
  skipped.push(
    ...tables
      .filter(({ kind }) => kind === "f")
      .map((table): Skipped => ({ kind: "relation", name: nameOf(table), why: "a foreign table: planned as an ordinary table" })),
  )
  skipped.push(...(await buildFunctions(engine, catalog)))
  const checks = tables.flatMap((table) =>
    table.constraints
      .filter(({ kind }) => kind === "c")
      .map(({ name, definition }) => step("constraint", `${nameOf(table)}.${name}`, addConstraint(table, name, definition))),
  )
  skipped.push(...(await createAll(engine, checks)))
  const attach = tables.flatMap((table) =>
    table.parents.flatMap((id) => {
      const parent = byId.get(id)
      if (parent === undefined) return []
      const text =
        table.bound === null
          ? `alter table ${nameOf(table)} inherit ${nameOf(parent)}`
          : `alter table only ${nameOf(parent)} attach partition ${nameOf(table)} ${table.bound}`
      return [step("relation", nameOf(table), text)]
    }),
  )
  skipped.push(...(await createAll(engine, attach)))
  skipped.push(...(await createAll(engine, indexSteps(tables, byId))))
  return skipped
}

/** Foreign keys (never validated: the tables are empty) and views, after the btrees have their height. */
export async function buildReferences(
  engine: Engine,
  catalog: Catalog,
  relations: readonly CatalogRelation[],
): Promise<Skipped[]> {
  const byId = new Map(catalog.relations.map((relation) => [relation.id, relation]))
  const keys = relations.flatMap((table) =>
    table.constraints
      .filter(({ kind, references }) => kind === "f" && references !== null && byId.has(references))
      .map(({ name, definition }) => {
        const text = addConstraint(table, name, / NOT VALID$/.test(definition) ? definition : `${definition} NOT VALID`)
        return step(
          "constraint",
          `${nameOf(table)}.${name}`,
          table.kind === "p" ? text.replace("alter table only", "alter table") : text,
        )
      }),
  )
  const views = relations.filter(({ kind, query }) => kind === "v" && query !== null)
  return [
    ...(await createAll(engine, keys)),
    ...(await createAll(
      engine,
      views.map((view) => step("view", nameOf(view), `create view ${nameOf(view)} as ${view.query}`)),
    )),
  ]
}

/** Quoted and qualified. */
export function nameOf(relation: { readonly schema: string; readonly name: string }): string {
  return quoteQualified(relation.schema, relation.name)
}

function tableStep(table: CatalogRelation, imitated: ReadonlySet<number> | null): Step {
  const columns = table.columns.map((column) => {
    const name = quoteIdentifier(column.name ?? droppedName(column.number))
    if (imitated?.has(column.number) === true) return `${name} text`
    const collation =
      column.collation === null
        ? ""
        : column.collation === "default"
          ? ` collate ${own}."default"`
          : ` collate ${column.collation}`
    const generated = column.generated === null ? "" : ` generated always as (${column.generated}) virtual`
    return `${name} ${column.type}${collation}${generated}${column.notNull && column.name !== null ? " not null" : ""}`
  })
  const options =
    table.kind === "p"
      ? ""
      : ` with (autovacuum_enabled = off${table.parallelWorkers === null ? "" : `, parallel_workers = ${table.parallelWorkers}`})`
  const partition = table.partitionKey === null ? "" : ` partition by ${table.partitionKey}`
  const drops = table.columns
    .filter(({ name }) => name === null)
    .map(({ number }) => `drop column ${quoteIdentifier(droppedName(number))}`)
  const drop = drops.length === 0 ? "" : `; alter table ${nameOf(table)} ${drops.join(", ")}`
  return step("relation", nameOf(table), `create table ${nameOf(table)} (${columns.join(", ")})${partition}${options}${drop}`)
}

/** Dropped columns are made and dropped again, so that attribute numbers agree with production's. */
function droppedName(number: number): string {
  return `selecto dropped ${number}`
}

/** A table whose types are partly unknown: those columns become text. */
async function createImitating(engine: Engine, table: CatalogRelation): Promise<Skipped[]> {
  const imitated = new Set<number>()
  const skipped: Skipped[] = []
  for (const column of table.columns) {
    if (column.name === null) continue
    const collation =
      column.collation === null
        ? ""
        : column.collation === "default"
          ? ` collate ${own}."default"`
          : ` collate ${column.collation}`
    const problem = await attempt(
      engine,
      `create temporary table selecto_probe (a ${column.type}${collation}); drop table selecto_probe`,
    )
    if (problem === null && column.generated === null) continue
    if (problem === null) {
      // Virtual columns call functions that may be missing.
      const columns = table.columns.filter(({ name, generated }) => name !== null && (generated === null || name === column.name))
      const text = tableStep({ ...table, columns }, imitated).text
      if ((await attempt(engine, `begin; ${text}; rollback`)) === null) continue
      await attempt(engine, "rollback")
    }
    imitated.add(column.number)
    skipped.push({
      kind: "column",
      name: `${nameOf(table)}.${column.name}`,
      why: `its type or expression is unknown to the copy (${problem ?? "virtual"}): taken as text`,
    })
  }
  return [...skipped, ...(await createAll(engine, [tableStep(table, imitated)]))]
}

/** Indexes of leaves first: an index of a partitioned table then adopts those of its partitions, under their own names. */
function indexSteps(tables: readonly CatalogRelation[], byId: ReadonlyMap<string, CatalogRelation>): Step[] {
  const depth = (table: CatalogRelation): number =>
    Math.max(0, ...table.parents.map((id) => (byId.has(id) ? 1 + depth(byId.get(id)!) : 0)))
  return tables
    .flatMap((table) => table.indexes.map((index) => ({ table, index })))
    .sort(
      (a, b) =>
        Number(a.index.partitioned) - Number(b.index.partitioned) || (a.index.partitioned ? depth(b.table) - depth(a.table) : 0),
    )
    .map(({ table, index }) => step("index", quoteQualified(table.schema, index.name), indexText(table, index)))
}

function indexText(table: CatalogRelation, index: CatalogIndex): string {
  if (index.constraint !== null) {
    const text = addConstraint(table, index.constraint.name, index.constraint.definition)
    return index.partitioned ? text.replace("alter table only", "alter table") : text
  }
  // pg_get_indexdef says ONLY for a partitioned index, which would leave it invalid.
  for (const start of ["CREATE INDEX ", "CREATE UNIQUE INDEX "]) {
    const only = `${start}${quoteIdentifier(index.name)} ON ONLY `
    if (index.definition.startsWith(only)) return `${only.slice(0, -5)}${index.definition.slice(only.length)}`
  }
  return index.definition
}

function addConstraint(table: CatalogRelation, name: string, definition: string): string {
  return `alter table only ${nameOf(table)} add constraint ${quoteIdentifier(name)} ${definition}`
}

function typeStep(type: CatalogType): Step {
  const name = quoteQualified(type.schema, type.name)
  const texts: Record<CatalogType["kind"], string> = {
    e: `create type ${name} as enum (${type.labels.map(quoteLiteral).join(", ")})`,
    d: `create domain ${name} as ${type.definition}`,
    c: `create type ${name} as (${type.definition})`,
    r: `create type ${name} as range (subtype = ${type.definition})`,
    b: `create domain ${name} as text`,
  }
  return step("type", name, texts[type.kind])
}

function imitated(type: CatalogType): Skipped {
  return {
    kind: "type",
    name: quoteQualified(type.schema, type.name),
    why: "a base type the copy does not have: columns keep their width, operators are unknown",
  }
}

function collationSteps(catalog: Catalog): Step[] {
  const steps = catalog.collations.map((collation) =>
    step("collation", collation.name, collationText(quoteQualified(collation.schema, collation.name), collation)),
  )
  return [step("collation", "default", collationText(`${own}."default"`, catalog.databaseCollation)), ...steps]
}

/**
 * libc's locales are not in the copy. What matters is that C stays C (only then a plain btree serves LIKE), that other
 * locales are not C, and that histograms stay sorted: ICU's order of the same language comes close to glibc's.
 */
function collationText(name: string, { provider, locale, deterministic }: CatalogCollation): string {
  const create = `create collation if not exists ${name}`
  const text = locale ?? "C"
  if (/^(C|POSIX)$/.test(text)) return `${create} (provider = libc, locale = 'C')`
  if (provider === "b") return `${create} (provider = builtin, locale = ${quoteLiteral(text)})`
  if (provider === "c" && /^C\./i.test(text)) return `${create} (provider = libc, locale = 'C.UTF-8')`
  const icu = provider === "i" ? text : (text.split(/[.@]/)[0] ?? "").replaceAll("_", "-")
  return `${create} (provider = icu, locale = ${quoteLiteral(icu === "" ? "und" : icu)}, deterministic = ${deterministic})`
}

function step(kind: Skipped["kind"], name: string, text: string): Step {
  return { kind, name, text }
}

/** Creates in batches, then one by one, then again while it helps (an object may need one that comes later). Answers the failures. */
async function createAll(engine: Engine, steps: readonly Step[]): Promise<Skipped[]> {
  let pending: { step: Step; problem: string }[] = []
  for (let at = 0; at < steps.length; at += batchSize) {
    const batch = steps.slice(at, at + batchSize)
    if ((await attempt(engine, batch.map(({ text }) => text).join(";\n"))) === null) continue
    for (const one of batch) {
      const problem = await attempt(engine, one.text)
      if (problem !== null) pending.push({ step: one, problem })
    }
  }
  for (let before = pending.length + 1; pending.length > 0 && pending.length < before; ) {
    before = pending.length
    const left: typeof pending = []
    for (const { step: one } of pending) {
      const problem = await attempt(engine, one.text)
      if (problem !== null) left.push({ step: one, problem })
    }
    pending = left
  }
  return pending.map(({ step: { kind, name }, problem }) => ({ kind, name, why: problem }))
}

async function attempt(engine: Engine, text: string): Promise<string | null> {
  try {
    await engine.execute(text)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
