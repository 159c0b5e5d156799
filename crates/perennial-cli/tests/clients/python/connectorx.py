"""connectorx, the fast reader below polars and notebooks: each of its four protocols, and queries that it cuts into
partitions by their own bounds."""

from transcript import check, client, done, part, url

import connectorx

PROTOCOLS = ("binary", "csv", "cursor", "simple")
KINDS = [
    ("bool", "true"), ("int2", "'-32768'"), ("int4", "2147483647"), ("int8", "9007199254740993"), ("float4", "0.5"), ("float8", "0.1"), ("numeric", "12345.6789"), ("numeric(18,4)", "1.5"), ("text", "'a,\"b\u20ac'"), ("varchar", "''"),
    ("char(3)", "'ab'"), ("date", "'2024-02-29'"), ("time", "'03:04:05'"), ("timestamp", "'2024-02-29 03:04:05.678901'"), ("timestamptz", "'2024-02-29 03:04:05+02'"), ("uuid", "'12345678-1234-5678-9abc-def012345678'"),
    ("json", "'{\"a\": 1}'"), ("jsonb", "'{\"a\": 1}'"), ("bytea", "'\\x00ff'"), ("int4[]", "'{1,2}'"), ("int8[]", "'{1}'"), ("float8[]", "'{0.5}'"), ("bool[]", "'{t,f}'"), ("numeric[]", "'{1.5}'"), ("text[]", "'{a,b}'"),
]

# What connectorx cannot read of PostgreSQL itself.
UNREAD = {("simple", "json"), ("simple", "jsonb")}


def read(query, protocol="binary", **options):
    """Types and rows. What it panics at is no error that tells anything."""
    try:
        table = connectorx.read_sql(url(), query, protocol=protocol, return_type="arrow", **options)
    except BaseException as error:
        raise RuntimeError(str(error)) from None
    return [{field.name: str(field.type) for field in table.schema}, [list(row.values()) for row in table.to_pylist()]]


def summed(told):
    kinds, rows = told
    return [kinds, len(rows), sorted(map(str, rows))[:3]]


def protocols():
    for protocol in PROTOCOLS:
        part(f"{protocol} protocol")
        for kind, value in KINDS:
            nothing = "" if protocol == "simple" and kind.endswith("]") else f", NULL::{kind} AS nothing"
            if (protocol, kind) not in UNREAD:
                check(f"{protocol} {kind}", lambda: read(f"SELECT {value}::{kind} AS v{nothing}", protocol))
        check(f"{protocol} orders", lambda: summed(read("SELECT order_id, time, amount, paid, campaign FROM orders ORDER BY order_id", protocol)))
        check(f"{protocol} customers", lambda: summed(read("SELECT customer_id, birth_date, orders, recency_days, last_order_at FROM customer_360 ORDER BY customer_id", protocol)))
        check(f"{protocol} no rows", lambda: read("SELECT order_id, amount, time FROM orders WHERE false", protocol))
        check(f"{protocol} months", lambda: read("SELECT date_trunc('month', time) AS month, count(*) AS n, sum(amount) AS revenue FROM orders GROUP BY 1 ORDER BY 1", protocol))
        check(f"{protocol} order by and limit", lambda: read("SELECT segment, members FROM segments ORDER BY members DESC LIMIT 2", protocol))


def partitions():
    part("partitions")
    columns = "SELECT id, user_id, total_cents, created_at FROM raw.shop_orders"
    check("of a column", lambda: summed(read(f"{columns} WHERE user_id IS NOT NULL", partition_on="user_id", partition_num=3)))
    check("of a range", lambda: summed(read(columns, partition_on="total_cents", partition_range=(0, 100000), partition_num=4)))
    check("of an expression", lambda: summed(read("SELECT name, extract(day FROM time)::int8 AS day, count(*) AS n FROM events GROUP BY 1, 2", partition_on="day", partition_num=2)))
    check("of a query with a WITH", lambda: summed(read("WITH o AS (SELECT orders, customer_id FROM customer_360) SELECT * FROM o", partition_on="orders", partition_num=2)))
    check("of several queries", lambda: summed(read(["SELECT order_id, amount FROM orders WHERE channel = 'email'", "SELECT order_id, amount FROM orders WHERE channel = 'direct'"])))
    check("queries that it makes", lambda: connectorx.partition_sql(url(), "SELECT * FROM customer_360", partition_on="orders", partition_num=2))
    check("csv in partitions", lambda: summed(read(columns, "csv", partition_on="total_cents", partition_num=2)))
    check("metadata", lambda: frame(connectorx.get_meta(url(), "SELECT order_id, amount, time, paid FROM orders", protocol="binary")))
    check("into pandas", lambda: frame(connectorx.read_sql(url(), "SELECT order_id, amount, time, paid, campaign FROM orders ORDER BY order_id LIMIT 3")))
    for name, query in [("no column", "SELECT nothing FROM orders"), ("no table", "SELECT * FROM nothing"), ("a division", "SELECT 1 / (x - 3) AS v FROM generate_series(1, 5) AS t (x)")]:
        check(f"error of {name}", lambda: failed(query))


def frame(table):
    return [{name: str(kind) for name, kind in table.dtypes.items()}, table.astype(object).where(table.notna(), None).values.tolist()]


def failed(query):
    try:
        return read(query)
    except RuntimeError as error:
        return str(error).split("ERROR: ")[-1].split("\n")[0]


client("connectorx", connectorx.__version__)
protocols()
partitions()
done()
