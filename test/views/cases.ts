/**
 * Views and queries of our own, of every kind that matching deals with, on a schema full of traps. `answered` says whether the view alone
 * (with the tables that only the query reads) has the answer. A "no" has to stay one whatever matching learns: for each there are two databases
 * with the same view and different answers.
 */
export interface ViewCase {
  readonly about: string
  readonly view: string
  readonly query: string
  readonly answered: "yes" | "no"
}

export const casesSchema = `
create table customers (id int primary key, region text, name text not null, vip boolean not null default false, credit numeric,
  mail varchar(20) unique);
create table products (id int primary key, label text not null, kind text);
create table orders (id int primary key, customer_id int not null references customers, status text not null, total numeric(10,2) not null,
  discount numeric(10,2), placed timestamp not null, shipped date, made timestamptz not null, parent_id int references orders,
  weight numeric, rate double precision, code char(4), tags text[], extra jsonb);
create table items (order_id int not null references orders, line int not null, product_id int references products, qty int not null,
  price numeric(8,2) not null, primary key (order_id, line));
create table stock (product_id int unique references products, amount int);
create table events (k int, at timestamptz, v int, note text);
create table loose (customer_id int not null references customers deferrable, product_id int not null);
`

const yes = (about: string, view: string, query: string): ViewCase => ({ about, view, query, answered: "yes" })
const no = (about: string, view: string, query: string): ViewCase => ({ about, view, query, answered: "no" })

export const viewCases: readonly ViewCase[] = [
  // Rows filtered
  yes(
    "a residual filter on a kept column",
    "select id, status, total from orders where total > 10",
    "select id from orders where total > 20 and status = 'paid'",
  ),
  yes(
    "a range inside the view's, other bounds",
    "select id, total from orders where total >= 10 and total < 100",
    "select id from orders where total between 10 and 99.99",
  ),
  no(
    "a closed bound over an open one",
    "select id, total from orders where total > 10",
    "select id from orders where total >= 10",
  ),
  yes("whole numbers: > 2 is >= 3", "select order_id, qty from items where qty > 2", "select order_id from items where qty >= 3"),
  no(
    "numerics are not whole numbers",
    "select id, weight from orders where weight > 2",
    "select id from orders where weight >= 3 or weight > 2.5 or weight = 2",
  ),
  yes(
    "IN inside IN",
    "select id, status from orders where status in ('paid', 'sent', 'new')",
    "select id from orders where status in ('sent', 'paid')",
  ),
  no(
    "IN beyond IN",
    "select id, status from orders where status in ('paid', 'sent')",
    "select id from orders where status in ('paid', 'new')",
  ),
  yes(
    "each OR implies the view",
    "select id, qty, line from (select order_id as id, qty, line from items where qty > 1 or line = 2) s",
    "select order_id from items where (qty = 3 and line = 1) or line = 2",
  ),
  no(
    "<> loses NULL",
    "select id, region from customers where region <> 'EU'",
    "select id from customers where region is distinct from 'EU'",
  ),
  yes(
    "IS DISTINCT FROM keeps NULL",
    "select id, region from customers where region is distinct from 'EU'",
    "select id from customers where region <> 'EU'",
  ),
  no(
    "NOT of a nullable condition",
    "select id, vip, region from customers where region = 'EU'",
    "select id from customers where (region = 'EU') is not false",
  ),
  yes(
    "IS NOT FALSE is not stricter",
    "select id, region from customers where (region = 'EU') is not false",
    "select id from customers where region = 'EU'",
  ),
  no("a residual on a column that is not kept", "select id, status from orders", "select id from orders where total > 3"),
  no(
    "texts are ordered by a collation, not by bytes",
    "select id, name from customers where name < 'b'",
    "select id from customers where name < 'B'",
  ),
  yes(
    "the text comparison itself",
    "select id, name from customers where name < 'b'",
    "select id from customers where name < 'b' and id > 1",
  ),
  yes(
    "LIKE within LIKE",
    "select id, name from customers where name like 'E%'",
    "select id from customers where name like 'EU%'",
  ),
  no(
    "LIKE with a wildcard character",
    "select id, name from customers where name like 'E_'",
    "select id from customers where name like 'E%'",
  ),
  yes(
    "a nullable equality names the constant",
    "select id, status, total from orders where status = 'paid'",
    "select id, status from orders where status = 'paid' and total > 5",
  ),
  yes(
    "date compared with a timestamp column",
    "select id, placed from orders where placed >= '2025-01-01'",
    "select id from orders where placed >= date '2025-02-01'",
  ),
  no(
    "a closed upper bound of a day ends at midnight",
    "select id, placed from orders where placed <= '2025-01-31'",
    "select id from orders where placed < '2025-02-01'",
  ),
  yes(
    "a closed upper bound of a date column is the whole day",
    "select id, shipped from orders where shipped <= '2025-01-31'",
    "select id from orders where shipped < '2025-02-01'",
  ),
  no(
    "char(n) ignores blanks, its text does not",
    "select id, code from orders where code = 'a'",
    "select id from orders where code::text like 'a%'",
  ),
  yes("COALESCE in a condition", "select id, discount from orders", "select id from orders where coalesce(discount, 0) > 1"),
  yes(
    "arithmetic moved across",
    "select order_id, line, qty from items where qty + 1 > 3",
    "select order_id from items where qty > 2",
  ),
  no(
    "a condition on an extracted field that infinity has not",
    "select count(extract(month from placed)) as n from orders",
    "select count(*) from orders",
  ),

  // Grouped
  yes(
    "groups asked for coarser",
    "select customer_id, status, count(*) as n, sum(total) as s from orders group by customer_id, status",
    "select status, sum(total), count(*) from orders group by status",
  ),
  yes(
    "one group of them",
    "select status, sum(total) as s, count(*) as n from orders group by status",
    "select sum(total), count(*) from orders where status = 'paid'",
  ),
  yes(
    "a scalar count of nothing is 0",
    "select status, count(*) as n from orders group by status",
    "select count(*) from orders where status = 'no such'",
  ),
  yes(
    "average from sum and count",
    "select status, code, sum(total) as s, count(*) as n from orders group by status, code",
    "select status, avg(total) from orders group by status",
  ),
  no(
    "average of averages",
    "select status, code, avg(total) as a from orders group by status, code",
    "select status, avg(total) from orders group by status",
  ),
  no(
    "count(*) as the weight of a nullable column",
    "select status, avg(discount) as a, count(*) as n from orders group by status",
    "select avg(discount) from orders",
  ),
  yes(
    "count of a column that is never NULL",
    "select status, count(*) as n from orders group by status",
    "select count(total) from orders",
  ),
  no(
    "count of a nullable column",
    "select status, count(*) as n from orders group by status",
    "select count(discount) from orders",
  ),
  yes(
    "min and max roll up",
    "select status, min(total) as lo, max(placed) as hi from orders group by status",
    "select min(total), max(placed) from orders",
  ),
  no(
    "counts of distinct values do not add up",
    "select status, count(distinct customer_id) as n from orders group by status",
    "select count(distinct customer_id) from orders",
  ),
  yes(
    "distinct values that are keys",
    "select status, customer_id, count(*) as n from orders group by status, customer_id",
    "select status, count(distinct customer_id) from orders group by status",
  ),
  yes(
    "distinct values with the further key fixed",
    "select status, vip, count(distinct customer_id) as n from orders join customers on customers.id = customer_id group by status, vip",
    "select status, count(distinct customer_id) from orders join customers on customers.id = customer_id where vip group by status",
  ),
  no(
    "stddev of stddev",
    "select status, code, stddev(total) as s from orders group by status, code",
    "select status, stddev(total) from orders group by status",
  ),
  yes(
    "stddev at the same grain",
    "select status, stddev(total) as s from orders group by status",
    "select status, stddev(total) from orders where status <> 'new' group by status",
  ),
  no(
    "sums of floats depend on their order",
    "select status, code, sum(rate) as s from orders group by status, code",
    "select status, sum(rate) from orders group by status",
  ),
  no(
    "a filter below the groups",
    "select status, count(*) as n from orders group by status",
    "select status, count(*) from orders where total > 5 group by status",
  ),
  yes(
    "a filter on a key below the groups",
    "select customer_id, count(*) as n from orders group by customer_id",
    "select customer_id, count(*) from orders where customer_id > 2 group by customer_id having count(*) > 1",
  ),
  no(
    "HAVING hides groups",
    "select customer_id, status, count(*) as n from orders group by customer_id, status having count(*) > 1",
    "select customer_id, count(*) from orders group by customer_id",
  ),
  yes(
    "a stricter HAVING",
    "select customer_id, count(*) as n from orders group by customer_id having count(*) > 1",
    "select customer_id from orders group by customer_id having count(*) > 2",
  ),
  no(
    "FILTER leaves groups that WHERE does not",
    "select customer_id, count(*) as n from orders where status = 'paid' group by customer_id",
    "select customer_id, count(*) filter (where status = 'paid') from orders group by customer_id",
  ),
  no(
    "WHERE leaves out groups that FILTER keeps",
    "select customer_id, count(*) filter (where status = 'paid') as n from orders group by customer_id",
    "select customer_id, count(*) from orders where status = 'paid' group by customer_id having count(*) >= 0",
  ),
  yes(
    "FILTER over a key",
    "select customer_id, status, count(*) as n, sum(total) as s from orders group by customer_id, status",
    "select customer_id, count(*) filter (where status = 'paid'), sum(total) filter (where status <> 'paid') from orders group by customer_id",
  ),
  yes(
    "DISTINCT from groups",
    "select status, code, count(*) as n from orders group by status, code",
    "select distinct status from orders",
  ),
  no("rows from DISTINCT", "select distinct status, total from orders", "select status, total from orders"),
  yes("min over DISTINCT", "select distinct status, total from orders", "select status, min(total) from orders group by status"),
  no("sum over DISTINCT", "select distinct status, total from orders", "select status, sum(total) from orders group by status"),
  yes(
    "grouped by the primary key keeps every row",
    "select id, status, count(*) as n from orders group by id",
    "select status from orders",
  ),
  no(
    "a nullable unique key may have many NULLs",
    "select mail, count(*) as n from customers group by mail",
    "select mail, 1 as one from customers",
  ),
  no(
    "a group of equal numerics that are written differently",
    "select weight, count(*) as n from orders group by weight",
    "select weight::text, count(*) from orders group by weight::text",
  ),
  no(
    "scale() of a key",
    "select weight, count(*) as n from orders group by weight",
    "select scale(weight), count(*) from orders group by scale(weight)",
  ),
  no(
    "a key compared by how it is written",
    "select weight, count(*) as n from orders group by weight",
    "select count(*) from orders where weight::text = '1.0'",
  ),
  yes(
    "a loose key compared as a number",
    "select weight, count(*) as n from orders group by weight",
    "select count(*) from orders where weight > 2",
  ),
  yes(
    "finer by the text of a numeric, asked by the numeric",
    "select weight, weight::text as t, count(*) as n from orders group by weight, weight::text",
    "select count(*) from orders group by weight",
  ),
  no(
    "coarser by the numeric, asked by its text",
    "select weight, count(*) as n from orders group by weight",
    "select count(*) from orders group by weight, weight::text",
  ),
  yes(
    "sum of a key times its count",
    "select qty, count(*) as n from items group by qty",
    "select sum(qty), avg(qty), count(qty), max(qty) from items",
  ),
  no("sum of a loose key", "select weight, count(*) as n from orders group by weight", "select sum(weight) from orders"),
  yes(
    "CASE over a key",
    "select status, sum(total) as s, count(*) as n from orders group by status",
    "select sum(case when status = 'paid' then total else 0 end) from orders",
  ),
  yes(
    "an expression of aggregates",
    "select customer_id, status, sum(total) as s, count(*) as n from orders group by customer_id, status",
    "select customer_id, sum(total) / count(*) + 1 as x from orders group by customer_id",
  ),
  no(
    "string_agg of string_agg",
    "select status, code, string_agg(name, ',' order by name) as s from orders join customers c on c.id = customer_id group by status, code",
    "select status, string_agg(name, ',' order by name) from orders join customers c on c.id = customer_id group by status",
  ),
  yes(
    "string_agg in a total order at the same grain",
    "select status, string_agg(id::text, ',' order by id::text) as s from orders group by status",
    "select status, string_agg(id::text, ',' order by id::text) from orders group by status",
  ),
  no(
    "array_agg without order",
    "select status, array_agg(id) as s from orders group by status",
    "select status, array_agg(id) from orders where total > 2 group by status",
  ),
  yes(
    "bool_or rolls up",
    "select region, name, bool_or(vip) as any_vip from customers group by region, name",
    "select region, bool_or(vip) from customers group by region",
  ),
  yes(
    "an integer constant as a key",
    "select status, count(*) as n from orders group by status",
    "select 7 as seven, count(*) from orders group by seven",
  ),
  yes(
    "grouped by nothing but a constant: no rows give no group",
    "select status, count(*) as n from orders group by status",
    "select 'all' as k, count(*) from orders where status = 'no such' group by k",
  ),
  yes(
    "ORDER BY positions and constants",
    "select status, code, count(*) as n from orders group by status, code",
    "select status, count(*) as c, 3 as x from orders group by 1 order by 2 desc, 3, 1",
  ),
  yes(
    "rollup over a plain view",
    "select status, code, sum(total) as s, count(*) as n from orders group by status, code",
    "select status, code, sum(total), grouping(status, code) from orders group by rollup(status, code)",
  ),
  no(
    "a subtotal is not a group of NULL",
    "select kind, label, count(*) as n from products group by rollup(label, kind)",
    "select label, count(*) from products group by label",
  ),
  yes(
    "a slice of a rollup told by grouping()",
    "select region, name, count(*) as n, grouping(region, name) as g from customers group by rollup(region, name)",
    "select region, count(*) from customers group by region",
  ),

  // Times
  yes(
    "days to months",
    "select date_trunc('day', placed) as d, count(*) as n from orders group by 1",
    "select date_trunc('month', placed), count(*) from orders group by 1",
  ),
  no(
    "weeks to months",
    "select date_trunc('week', placed) as w, count(*) as n from orders group by 1",
    "select date_trunc('month', placed), count(*) from orders group by 1",
  ),
  yes(
    "months to years",
    "select date_trunc('month', placed) as m, count(*) as n from orders group by 1",
    "select extract(year from placed), count(*) from orders group by 1",
  ),
  yes(
    "a range on bucket borders",
    "select date_trunc('month', placed) as m, count(*) as n from orders group by 1",
    "select count(*) from orders where placed >= '2025-01-01' and placed < '2025-03-01'",
  ),
  no(
    "a range that cuts a bucket",
    "select date_trunc('month', placed) as m, count(*) as n from orders group by 1",
    "select count(*) from orders where placed >= '2025-01-15' and placed < '2025-03-01'",
  ),
  no(
    "> at a bucket's border",
    "select date_trunc('month', placed) as m, count(*) as n from orders group by 1",
    "select count(*) from orders where placed > '2025-01-01'",
  ),
  no(
    "the day of a moment is another in each zone",
    "select (made at time zone 'Asia/Tokyo')::date as d, count(*) as n from orders group by 1",
    "select (made at time zone 'America/New_York')::date as d, count(*) from orders group by 1",
  ),
  yes(
    "the day of a moment in a named zone",
    "select (made at time zone 'Asia/Tokyo')::date as d, count(*) as n from orders group by 1",
    "select date_trunc('month', (made at time zone 'Asia/Tokyo')::date::timestamp), count(*) from orders group by 1",
  ),
  no(
    "the session's zone",
    "select date_trunc('day', made) as d, count(*) as n from orders group by 1",
    "select date_trunc('day', made) as d, count(*) from orders group by 1",
  ),
  yes(
    "date_trunc with its zone",
    "select date_trunc('day', made, 'Europe/Berlin') as d, count(*) as n from orders group by 1",
    "select date_trunc('month', made, 'Europe/Berlin') as d, count(*) from orders group by 1",
  ),
  no(
    "date_trunc with another zone",
    "select date_trunc('day', made, 'Europe/Berlin') as d, count(*) as n from orders group by 1",
    "select date_trunc('day', made, 'Europe/London') as d, count(*) from orders group by 1",
  ),
  no(
    "hours to days in a zone half an hour off",
    "select date_trunc('hour', made, 'UTC') as d, count(*) as n from orders group by 1",
    "select date_trunc('day', made, 'Asia/Kolkata') as d, count(*) from orders group by 1",
  ),
  no("now()", "select id, placed from orders where placed < now()", "select id from orders where placed < now()"),

  // Joins
  yes(
    "a join that the view makes besides, by a foreign key",
    "select o.id, o.total, c.region from orders o join customers c on c.id = o.customer_id",
    "select id, total from orders",
  ),
  no(
    "by a nullable foreign key",
    "select i.order_id, i.line, p.label from items i join products p on p.id = i.product_id",
    "select order_id, line from items",
  ),
  yes(
    "by a nullable one that the query says is there",
    "select i.order_id, i.line, i.product_id, p.label from items i join products p on p.id = i.product_id",
    "select order_id, line from items where product_id > 0",
  ),
  no(
    "by a deferrable one",
    "select l.product_id, c.region from loose l join customers c on c.id = l.customer_id",
    "select product_id from loose",
  ),
  yes(
    "a left join to a unique key",
    "select i.order_id, i.line, p.label from items i left join products p on p.id = i.product_id",
    "select order_id, line from items",
  ),
  no(
    "a left join that repeats rows",
    "select o.id, i.qty from orders o left join items i on i.order_id = o.id",
    "select id from orders",
  ),
  yes(
    "left for inner, with a witness",
    "select i.order_id, i.qty, p.id as pid, p.kind from items i left join products p on p.id = i.product_id",
    "select i.order_id, p.kind from items i join products p on p.id = i.product_id",
  ),
  no(
    "left for inner, without one",
    "select i.order_id, i.qty, s.amount from items i left join stock s on s.product_id = i.product_id",
    "select i.order_id, s.amount from items i join stock s on s.product_id = i.product_id",
  ),
  no(
    "inner for left",
    "select i.order_id, i.qty, p.kind from items i join products p on p.id = i.product_id",
    "select i.order_id, p.kind from items i left join products p on p.id = i.product_id",
  ),
  yes(
    "left with a filter above that drops padded rows",
    "select i.order_id, p.kind, p.id as pid from items i left join products p on p.id = i.product_id",
    "select i.order_id from items i left join products p on p.id = i.product_id where p.kind = 'toy'",
  ),
  no(
    "a filter in ON is none in WHERE",
    "select i.order_id, p.kind from items i left join products p on p.id = i.product_id and p.kind = 'toy'",
    "select i.order_id, p.kind from items i left join products p on p.id = i.product_id where p.kind = 'toy' or p.kind is null",
  ),
  no(
    "a full join narrowed",
    "select o.id, i.qty from orders o full join items i on i.order_id = o.id and i.qty > 1",
    "select o.id, i.qty from orders o left join items i on i.order_id = o.id",
  ),
  yes(
    "joined back by a kept key",
    "select customer_id, count(*) as n, sum(total) as s from orders group by customer_id",
    "select c.region, sum(o.total), count(*) from orders o join customers c on c.id = o.customer_id group by c.region",
  ),
  no(
    "joined to what repeats rows and counted by the key",
    "select customer_id, count(distinct id) as n from orders group by customer_id",
    "select o.customer_id, count(distinct o.id) from orders o join items i on i.order_id = o.id group by o.customer_id",
  ),
  yes(
    "joined to rows that repeat, counted",
    "select order_id, count(*) as n, sum(qty) as s from items group by order_id",
    "select c.region, sum(i.qty), count(*) from items i join orders o on o.id = i.order_id join customers c on c.id = o.customer_id group by c.region",
  ),
  no(
    "a joined column that is not kept",
    "select status, count(*) as n from orders group by status",
    "select c.region, count(*) from orders o join customers c on c.id = o.customer_id group by c.region",
  ),
  yes(
    "a self join, other names",
    "select a.id as child, b.id as parent, a.total as ct, b.total as pt from orders a join orders b on b.id = a.parent_id",
    "select x.total from orders x join orders y on x.id = y.parent_id where y.id > 2",
  ),
  no(
    "a self join, the other side",
    "select a.id as child, a.total as ct from orders a join orders b on b.id = a.parent_id",
    "select x.total from orders x join orders y on x.id = y.parent_id",
  ),
  yes(
    "equal columns stand for each other",
    "select o.customer_id, o.total from orders o join customers c on c.id = o.customer_id",
    "select c.id, o.total from orders o join customers c on c.id = o.customer_id",
  ),
  no(
    "equal numerics do not",
    "select o.weight as w, o.id, c.id as c from orders o join customers c on o.weight = c.credit",
    "select c.credit::text from orders o join customers c on o.weight = c.credit",
  ),
  yes(
    "EXISTS by a key as the join",
    "select o.id, o.total, c.region from orders o join customers c on c.id = o.customer_id where c.vip",
    "select o.id from orders o where exists (select 1 from customers c where c.id = o.customer_id and c.vip)",
  ),
  no(
    "EXISTS of many as the join",
    "select o.id, i.qty from orders o join items i on i.order_id = o.id",
    "select o.id from orders o where exists (select 1 from items i where i.order_id = o.id)",
  ),
  yes(
    "EXISTS and DISTINCT",
    "select o.id, i.qty from orders o join items i on i.order_id = o.id",
    "select distinct o.id from orders o join items i on i.order_id = o.id where i.qty > 1",
  ),
  no(
    "NOT IN with NULLs",
    "select c.id from customers c where not exists (select 1 from items i where i.product_id = c.id)",
    "select c.id from customers c where c.id not in (select i.product_id from items i)",
  ),
  yes(
    "the same NOT IN",
    "select c.id, c.region from customers c where c.id not in (select i.product_id from items i)",
    "select c.id from customers c where c.id not in (select i.product_id from items i) and c.region = 'EU'",
  ),

  // Set operations, windows, first rows
  yes(
    "UNION from UNION ALL",
    "select id, status from orders where total > 5 union all select id, status from orders where status = 'paid'",
    "select id, status from orders where total > 5 union select id, status from orders where status = 'paid'",
  ),
  no(
    "UNION ALL from UNION",
    "select status from orders union select status from orders",
    "select status from orders union all select status from orders",
  ),
  no(
    "EXCEPT filtered on one side",
    "select id from customers except select customer_id from orders",
    "select id from customers where id > 2 except select customer_id from orders where customer_id > 3",
  ),
  no(
    "a filter below a window",
    "select id, customer_id, row_number() over (partition by customer_id order by id) as r from orders",
    "select id, row_number() over (partition by customer_id order by id) as r from orders where total > 5",
  ),
  yes(
    "a filter on a window's partition",
    "select id, customer_id, row_number() over (partition by customer_id order by id) as r from orders",
    "select id, row_number() over (partition by customer_id order by id) as r from orders where customer_id = 1",
  ),
  yes(
    "a filter above a window",
    "select id, customer_id, row_number() over (partition by customer_id order by id) as r from orders",
    "select id from (select id, row_number() over (partition by customer_id order by id) as r from orders) s where r = 1",
  ),
  yes(
    "windows over a view's rows",
    "select id, customer_id, total from orders",
    "select id, rank() over (partition by customer_id order by total) from orders",
  ),
  yes(
    "fewer first rows",
    "select id, total from orders order by total desc, id limit 10",
    "select id from orders order by total desc, id limit 3",
  ),
  no(
    "more first rows",
    "select id, total from orders order by total desc, id limit 3",
    "select id from orders order by total desc, id limit 5",
  ),
  no(
    "first rows filtered",
    "select id, total, status from orders order by total desc, id limit 3",
    "select id from orders where status = 'paid' order by total desc, id limit 2",
  ),
  no("ties at the end of LIMIT", "select id, total from orders", "select id from orders order by total limit 2"),
  yes(
    "the latest row of each",
    "select distinct on (customer_id) customer_id, placed, id from orders order by customer_id, placed desc, id",
    "select customer_id, max(placed) from orders group by customer_id",
  ),
  yes(
    "a boolean sorts the rows of DISTINCT ON",
    "select distinct on (name) name, vip, id from customers order by name, vip, id",
    "select distinct on (name) name, id from customers order by name, vip, id",
  ),
  no(
    "NULLs first in DISTINCT ON",
    "select distinct on (customer_id) customer_id, shipped, id from orders order by customer_id, shipped desc, id",
    "select customer_id, max(shipped) from orders group by customer_id",
  ),

  // Subqueries and CTEs
  yes(
    "a CTE",
    "select customer_id, sum(total) as s, count(*) as n from orders group by customer_id",
    "with t as (select customer_id, sum(total) as s from orders group by customer_id) select count(*) from t where s > 3",
  ),
  yes(
    "a subquery in FROM",
    "select customer_id, sum(total) as s, count(*) as n from orders group by customer_id",
    "select c.name, t.s from customers c join (select customer_id, sum(total) as s from orders group by customer_id) t on t.customer_id = c.id",
  ),
  yes(
    "a scalar subquery",
    "select status, count(*) as n from orders group by status",
    "select (select count(*) from orders) as all_orders",
  ),
  no(
    "a correlated count of nothing",
    "select customer_id, sum(total) as s from orders group by customer_id",
    "select c.id, (select count(*) from orders o where o.customer_id = c.id) from customers c",
  ),
  yes(
    "a correlated sum",
    "select customer_id, sum(total) as s, count(*) as n from orders group by customer_id",
    "select c.id, (select count(*) from orders o where o.customer_id = c.id) from customers c",
  ),
  yes(
    "arrays and json are taken over",
    "select id, tags, extra from orders",
    "select id, tags[1], extra->>'a' from orders where extra ? 'a'",
  ),
  no(
    "json without equality of texts",
    "select extra, count(*) as n from orders group by extra",
    "select extra::text, count(*) from orders group by extra::text",
  ),
  no(
    "jsonb keys written differently",
    "select extra, count(*) as n from orders group by extra",
    "select count(*) from orders where extra::text = '1.0'",
  ),
  no(
    "array concatenation with NULL",
    "select id, tags from orders where (tags || '{x}'::text[]) is null",
    "select id from orders where tags is null",
  ),
]
