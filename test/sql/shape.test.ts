import { beforeAll, describe, expect, test } from "vitest"
import {
  type ConditionNode,
  expressionText,
  loadShapes,
  resolveShape,
  type StatementShape,
  statementShape,
  statementShapeSync,
  statementShapeWithViews,
} from "../../src/sql/index.ts"
import { statements } from "./statements.ts"

beforeAll(() => loadShapes())

const tables: Record<string, readonly string[]> = {
  orders: ["id", "customer_id", "total", "status", "created_at"],
  customers: ["id", "email", "name", "region"],
  items: ["order_id", "product_id", "qty"],
}
const catalog = { columnsOf: (_schema: string | null, name: string) => tables[name] ?? null }

/** "orders.status =" for every comparison, AND and OR shown. */
function told(shape: StatementShape, node: ConditionNode): string {
  if (node.kind === "and" || node.kind === "or") return `(${node.args.map((arg) => told(shape, arg)).join(` ${node.kind} `)})`
  if (node.kind === "opaque") return "opaque"
  const name = (ordinal: number): string => shape.relations[ordinal]!.alias ?? shape.relations[ordinal]!.name
  const mirror = node.mirror === null ? "" : ` ${name(node.mirror.relation)}.${node.mirror.text}`
  const row = node.row.map((subject) => `,${subject.text}`).join("")
  return `${name(node.subject.relation)}.${node.subject.text}${row} ${node.operator} ${node.value.kind}${mirror}`
}

async function conditions(text: string, block = 0): Promise<string[]> {
  const shape = resolveShape(await statementShape(text), catalog)
  return shape.blocks[block]!.conditions.map((condition) => told(shape, condition.node))
}

test("a shape is plain data: it survives JSON", async () => {
  for (const text of statements) {
    const shape = await statementShape(text)
    expect(JSON.parse(JSON.stringify(shape)), text).toEqual(shape)
    expect(shape.relations.every((relation, at) => relation.ordinal === at)).toBe(true)
    expect(
      shape.blocks.every((block, at) => block.ordinal === at && (block.parent === null || block.parent < at)),
      text,
    ).toBe(true)
  }
})

test("a star opens merged columns first, and bare names mean the side that is not padded", async () => {
  const opened = async (text: string): Promise<string> => {
    const shape = resolveShape(await statementShape(text), catalog)
    return shape.blocks[0]!.output.map(
      ({ name, expression }) =>
        `${name}=${expressionText(expression, { column: (c) => `${c.relation}.${c.name}${c.at ?? ""}` })}`,
    ).join(" ")
  }
  const one = "(select 1 as a, 2 as k) x"
  const two = "(select 3 as k, 4 as b) y"
  expect(await opened(`select * from ${one} join ${two} using (k)`)).toBe("k=0.k a=0.a b=1.b")
  expect(await opened(`select *, k from ${one} natural right join ${two}`)).toBe("k=1.k a=0.a b=1.b k=1.k")
  expect(await opened(`select * from ${one} full join ${two} using (k)`)).toBe("k=COALESCE(0.k, 1.k) a=0.a b=1.b")
  expect(await opened("select * from (select sum(id), sum(total) from orders) x")).toBe("sum=1.sum0 sum=1.sum1")
})

test("GROUP BY takes a column before an output of the same name", async () => {
  const key = async (text: string): Promise<string> =>
    expressionText(resolveShape(await statementShape(text), catalog).blocks[0]!.grouping!.keys[0]!)
  expect(await key("select lower(status) as status, count(*) from orders group by status")).toBe("status")
  expect(await key("select lower(status) as s, count(*) from orders group by s")).toBe("lower(status)")
})

test("a shape is read once per text", async () => {
  const shape = await statementShape("select 1 from orders")
  expect(await statementShape("select 1 from orders")).toBe(shape)
  expect(statementShapeSync("select 1 from orders")).toBe(shape)
})

test("expressions print as SQL that reads the same", async () => {
  let printed = 0
  for (const text of statements) {
    const shape = await statementShape(text)
    for (const block of shape.blocks) {
      const found = [
        block.where,
        block.having,
        ...block.output.map((entry) => entry.expression),
        ...block.order.map((key) => key.expression),
      ]
      for (const expression of found) {
        if (expression === null || /"sublink"|"star"|"default"|"other"/.test(JSON.stringify(expression))) continue
        const sql = expressionText(expression)
        const again = (await statementShape(`select ${sql} from t window w as ()`)).blocks[0]!.output[0]!.expression
        expect(expressionText(again), sql).toBe(sql)
        printed++
      }
    }
  }
  expect(printed).toBeGreaterThan(60)
})

describe("relations", () => {
  test("a CTE hides a table of its name, inside its scope only", async () => {
    const shape = await statementShape(
      "with orders as (select * from orders) select * from orders o, public.orders p where exists (with x as (select 1) select * from x, orders) and 1 in (select 1 from x)",
    )
    const kinds = shape.relations.map(
      (relation) => `${relation.block}:${relation.schema ?? ""}.${relation.name}:${relation.kind}`,
    )
    expect(kinds).toEqual([
      "1:.orders:table",
      "0:.orders:cte",
      "0:public.orders:table",
      "2:.x:cte",
      "2:.orders:cte",
      "4:.x:table",
    ])
    const recursive = await statementShape("with recursive t as (select 1 union all select * from t) select * from t")
    expect(recursive.relations.map((relation) => relation.kind)).toEqual(["cte", "cte"])
    const plain = await statementShape("with t as (select * from t) select * from t")
    expect(plain.relations.map((relation) => relation.kind)).toEqual(["table", "cte"])
  })

  test("joins say their type and which side may be padded", async () => {
    const shape = await statementShape(
      "select * from a left join b on true right join c on true full join d on true, e cross join f",
    )
    expect(shape.relations.map((relation) => [relation.name, relation.join, relation.nullable])).toEqual([
      ["a", null, true],
      ["b", "left", true],
      ["c", "right", true],
      ["d", "full", true],
      ["e", null, false],
      ["f", "cross", false],
    ])
    const sampled = await statementShape(
      "select * from only s.t as x tablesample system (1), lateral f(x.a) g, lateral (select x.b) h",
    )
    expect(sampled.relations[0]).toMatchObject({ schema: "s", alias: "x", only: true, sampled: true, join: null })
    expect(sampled.relations.slice(1).map((relation) => [relation.kind, relation.lateral])).toEqual([
      ["function", true],
      ["subquery", true],
    ])
  })

  test("writes are named, those in CTEs too", async () => {
    const shape = await statementShape(
      "with gone as (delete from orders where id = 1 returning *) insert into items select * from gone",
    )
    expect(shape.kind).toBe("insert")
    expect(shape.writes.map((ordinal) => shape.relations[ordinal]!.name)).toEqual(["orders", "items"])
    const merge = await statementShape(
      "merge into orders t using items s on s.order_id = t.id when matched then update set total = s.qty when not matched then do nothing",
    )
    expect(merge.blocks[0]!.write).toMatchObject({ columns: ["total"], actions: [{ action: "update" }, { action: "nothing" }] })
    expect((await statementShape("truncate a, b.c")).relations.map((relation) => [relation.schema, relation.name])).toEqual([
      [null, "a"],
      ["b", "c"],
    ])
    const conflict = await statementShape(
      "insert into orders as o (id) values (1) on conflict (id) do update set total = excluded.total + o.total",
    )
    expect(conflict.resolved).toBe(true)
    expect(conflict.blocks[0]!.write!.conflict).toEqual({ action: "update", columns: ["id"], constraint: null })
  })

  test("a view can be read as the query that it is", async () => {
    const shape = await statementShapeWithViews("select * from recent r where r.total > 5", (_schema, name) =>
      name === "recent" ? "select * from orders where status = 'new'" : null,
    )
    expect(shape.relations.map((relation) => [relation.name, relation.kind, relation.source])).toEqual([
      ["orders", "table", null],
      ["recent", "subquery", 1],
    ])
    const loop = await statementShapeWithViews("select * from v", () => "select * from v")
    expect(loop.relations.length).toBeLessThan(400)
  })
})

describe("conditions", () => {
  test("turn so that the column stands left, with AND and OR kept", async () => {
    expect(
      await conditions(
        "select * from orders where 5 < total and (status = 'a' or status in ('b', 'c') and customer_id = $1) and lower(status) = 'x'",
      ),
    ).toEqual([
      "(orders.total > constant and (orders.status = constant or (orders.status in list and orders.customer_id = parameter)) and orders.lower(status) = constant)",
    ])
    expect(
      await conditions(
        "select * from orders where not (total > 5 and status is null) and not status like 'x%' and total between 1 and 2",
      ),
    ).toEqual([
      "((orders.total <= constant or orders.status is not null none) and orders.status !~~ constant and orders.total >= constant and orders.total <= constant)",
    ])
    expect(
      await conditions("select * from orders where (created_at, id) < ($1, $2) and (customer_id, status) = (1, 'x')"),
    ).toEqual(["(orders.created_at,id < expression and orders.customer_id = constant and orders.status = constant)"])
  })

  test("three-valued logic is kept: NOT (x IS TRUE) is not x IS FALSE", async () => {
    expect(await conditions("select * from orders where not (status and (total is true))")).toEqual([
      "(orders.status false none or orders.total is not true none)",
    ])
    expect(await conditions("select * from orders where not status and total = true")).toEqual([
      "(orders.status false none and orders.total true none)",
    ])
  })

  test("joins can be read both ways, correlation too", async () => {
    const text =
      "select * from customers c join orders o on o.customer_id = c.id where exists (select 1 from items where order_id = o.id) and name in (select status from orders x)"
    expect(await conditions(text)).toEqual(["o.customer_id = column c.id", "(opaque and c.name in subquery)"])
    expect(await conditions(text, 1)).toEqual(["items.order_id = column o.id"])
    const shape = resolveShape(await statementShape(text), catalog)
    expect(shape.blocks[1]!.correlated).toEqual([1])
    expect(shape.blocks[0]!.joins.map((pair) => [pair.left.text, pair.operator, pair.right.text, pair.type])).toEqual([
      ["customer_id", "=", "id", "inner"],
      ["name", "=", "status", "semi"],
    ])
  })

  test("what reads the same relation on both sides, or an unplaced column, is no key", async () => {
    expect(await conditions("select * from orders where total > customer_id and total > nowhere")).toEqual([
      "(opaque and opaque)",
    ])
  })

  test("outer joins say whose rows an ON does not filter", async () => {
    const shape = resolveShape(
      await statementShape("select * from customers left join orders on customer_id = customers.id and region = 'x'"),
      catalog,
    )
    expect(shape.blocks[0]!.conditions[0]).toMatchObject({ clause: "on", preserves: [0] })
  })
})

describe("resolving", () => {
  test("gives bare columns to the innermost relation that has them", async () => {
    const shape = resolveShape(
      await statementShape(
        "select name, (select max(total) from orders where customer_id = region) from customers join items on true",
      ),
      catalog,
    )
    expect(shape.resolved).toBe(true)
    const uses = shape.columns.map((use) => `${shape.relations[use.relation!]!.name}.${use.name}:${use.roles.join("+")}`)
    expect(uses.sort()).toEqual(
      ["customers.name:select", "customers.region:where+join", "orders.customer_id:where+join", "orders.total:select"].sort(),
    )
  })

  test("spells out stars, USING and NATURAL", async () => {
    const shape = resolveShape(
      await statementShape("select * from customers natural join orders join items on order_id = orders.id"),
      catalog,
    )
    expect(shape.blocks[0]!.output.map((entry) => entry.name)).toEqual([
      "id",
      "email",
      "name",
      "region",
      "customer_id",
      "total",
      "status",
      "created_at",
      "order_id",
      "product_id",
      "qty",
    ])
    expect(shape.blocks[0]!.joins.map((pair) => `${pair.left.text}=${pair.right.text}`)).toEqual(["id=id", "order_id=id"])
  })

  test("sees through subqueries, CTEs and column aliases", async () => {
    const shape = resolveShape(
      await statementShape(
        "with t(a, b) as (select id, total from orders) select a, c from t, (select email as c, * from customers) s where region = 'x' and b > 1",
      ),
      catalog,
    )
    expect(shape.resolved).toBe(true)
    expect(
      shape.columns
        .filter((use) => use.block === 0)
        .map((use) => `${use.relation}.${use.name}`)
        .sort(),
    ).toEqual(["1.a", "1.b", "3.c", "3.region"])
  })

  test("a relation's name that is no column is its whole row", async () => {
    const shape = resolveShape(await statementShape("select count(orders), id from orders"), catalog)
    expect(shape.columns.map((use) => use.name).sort()).toEqual(["*", "id"])
  })
})

describe("the rest of a query", () => {
  test("grouping, sets, ordering, limit, distinct, locking", async () => {
    const { blocks } = await statementShape(
      "select distinct status s, date_trunc('day', created_at) d, sum(total) from orders group by grouping sets ((1), (status, d), ()) having sum(total) > 1 order by s desc, 2 nulls first limit $1 offset 5 for update skip locked",
    )
    const block = blocks[0]!
    expect(block.grouping!.keys.map((key) => expressionText(key))).toEqual(["status", "date_trunc('day', created_at)"])
    expect(block.grouping!.sets).toEqual([[0], [0, 1], []])
    expect(block.order.map((key) => [expressionText(key.expression), key.descending, key.nulls])).toEqual([
      ["status", true, "first"],
      ["date_trunc('day', created_at)", false, "first"],
    ])
    expect(block).toMatchObject({
      distinct: "all",
      limit: { kind: "parameter", number: 1 },
      locking: [{ strength: "update", wait: "skip locked" }],
    })
    expect(block.aggregates.map((call) => expressionText(call))).toEqual(["sum(total)", "sum(total)"])
    const cube = await statementShape("select 1 from t group by cube (a, b), c")
    expect(cube.blocks[0]!.grouping!.sets).toEqual([[0, 1, 2], [0, 2], [1, 2], [2]])
  })

  test("set operations keep their arms, a chain of one operator as one", async () => {
    const shape = await statementShape(
      "select a from x union all select b from y union all select c from z union select d from w order by 1",
    )
    expect(shape.blocks[0]!.setOperation).toMatchObject({ operator: "union", all: false })
    const [left] = shape.blocks[0]!.setOperation!.arms
    expect(shape.blocks[left!]!.setOperation!.arms).toHaveLength(3)
    expect(shape.relations.map((relation) => relation.name)).toEqual(["x", "y", "z", "w"])
  })

  test("parameters with their casts, functions, window calls", async () => {
    const shape = await statementShape(
      "select rank() over (order by x), f.g(y), now() from t where a = $2::int and b = $1 and c = $2",
    )
    expect(shape.parameters).toEqual([
      { kind: "parameter", number: 1, cast: null },
      { kind: "parameter", number: 2, cast: "integer" },
    ])
    expect(shape.functions.map((call) => call.name).sort()).toEqual(["g", "now", "rank"])
    expect(shape.blocks[0]!.windowCalls).toHaveLength(1)
    expect(shape.blocks[0]!.output.map((entry) => entry.name)).toEqual(["rank", "g", "now"])
  })

  test("utility commands show the query inside them", async () => {
    const made = await statementShape("create table n as select * from orders where total > 1")
    expect(made).toMatchObject({ kind: "utility", command: "CREATE TABLE AS" })
    expect(made.relations[0]!.name).toBe("orders")
    expect((await statementShape("select * into n from orders")).kind).toBe("utility")
    expect((await statementShape("vacuum orders")).blocks).toEqual([])
  })
})
