"""asyncpg, the driver of asynchronous Python services: everything prepared and in binary, codecs looked up in the catalog,
cursors inside of transactions, COPY into files, and pools that reset what they get back."""

from transcript import ENDLESS, acheck, arefused, client, done, part

import asyncio
import datetime
import decimal
import io
import ipaddress
import sys
import uuid

import asyncpg

UTC = datetime.timezone.utc
sys.setrecursionlimit(200)  # a look-up of types that goes round in circles ends soon


async def rows(connection, query, *arguments):
    return [list(row) for row in await connection.fetch(query, *arguments)]


async def alone(query, *arguments):
    """By a connection that knows no type yet."""
    connection = await asyncpg.connect()
    try:
        return await rows(connection, query, *arguments)
    finally:
        connection.terminate()


async def values(connection):
    part("values of every type in binary")
    day, moment = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 3, 4, 5, 678901)
    for kind, given in [
        ("bool", [True, False]),
        ("smallint", [-32768, 32767]),
        ("int", [-(2**31), 2**31 - 1]),
        ("bigint", [-(2**63), 2**63 - 1]),
        ("real", [0.5, float("inf")]),
        ("float8", [0.1, 5e-324, float("nan"), float("-inf")]),
        ("numeric", [decimal.Decimal("12345678901234567890.123456"), decimal.Decimal("-0.0010"), decimal.Decimal(0)]),
        ("numeric(18,4)", [decimal.Decimal("1.5")]),
        ("text", ["", "a'b\\c \u20ac\n\t", "x" * 5000]),
        ("varchar(3)", ["abc"]),
        ("name", ["orders"]),
        ('"char"', [b"a"]),
        ("bytea", [b"", bytes(range(256))]),
        ("date", [day, datetime.date.min, datetime.date(9999, 12, 30)]),
        ("time", [datetime.time(23, 59, 59, 999999)]),
        ("timestamp", [moment, datetime.datetime(1, 1, 2)]),
        ("timestamptz", [moment.replace(tzinfo=UTC), datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=5, minutes=30)))]),
        ("interval", [datetime.timedelta(days=1, hours=2, microseconds=5), datetime.timedelta(days=-40)]),
        ("uuid", [uuid.UUID("12345678-1234-5678-9abc-def012345678")]),
        ("json", ['{"a": [1, null]}']),
        ("jsonb", ['{"b": 1.5, "a": []}']),
        ("oid", [1259]),
        ("text[]", [["a", 'b "c", {d}', None, ""], []]),
        ("int[]", [[1, None, 3], []]),
        ("bigint[]", [[2**40]]),
        ("float8[]", [[0.5, None]]),
        ("bool[]", [[True, None]]),
        ("numeric[]", [[decimal.Decimal("1.50"), None]]),
        ("date[]", [[day]]),
        ("timestamptz[]", [[moment.replace(tzinfo=UTC), None]]),
        ("int[]", [[[1, 2], [3, 4]]]),
        ("inet", [ipaddress.ip_address("10.0.0.1")]),
    ]:
        query = "SELECT " + ", ".join(f"${place}::{kind}" for place in range(1, len(given) + 2))
        name = f"{kind} of two dimensions" if isinstance(given[0], list) and given[0] and isinstance(given[0][0], list) else kind
        await acheck(name, alone(query, *given, None))
    await acheck("records", rows(connection, "SELECT (1, 'a'::text, NULL::int), ARRAY[(1, 'b'::text)]"))
    await acheck("infinite times", rows(connection, "SELECT 'infinity'::timestamptz, '-infinity'::date"))
    await acheck("months", rows(connection, "SELECT interval '1 year 2 months'"))
    await acheck("void", rows(connection, "SELECT pg_notify('nobody', '')"))


async def parameters(connection):
    part("parameters typed by the place where they stand")
    for name, query, *given in [
        ("columns of a table", "SELECT count(*) FROM orders WHERE amount > $1 AND time < $2 AND paid = $3 AND channel <> $4", decimal.Decimal(20), datetime.datetime(2025, 1, 1, tzinfo=UTC), True, "email"),
        ("limit and offset", "SELECT order_id FROM orders ORDER BY 1 LIMIT $1 OFFSET $2", 2, 3),
        ("any of texts", "SELECT count(*) FROM orders WHERE channel = ANY($1)", ["email", "direct"]),
        ("any of numbers", "SELECT count(*) FROM customer_360 WHERE orders = ANY($1)", [1, 2]),
        ("all of texts", "SELECT count(*) FROM orders WHERE channel <> ALL($1)", ["email"]),
        ("in a list", "SELECT count(*) FROM orders WHERE channel IN ($1, $2)", "email", "direct"),
        ("like", "SELECT count(*) FROM events WHERE name ILIKE $1 || '%'", "PAGE"),
        ("between", "SELECT count(*) FROM orders WHERE amount BETWEEN $1 AND $2", decimal.Decimal("9.5"), 20),
        ("an interval", "SELECT count(*) FROM events WHERE time > '2026-07-01'::timestamptz - $1::interval", datetime.timedelta(days=30)),
        ("one parameter twice", "SELECT count(*) FROM orders WHERE channel = $1 OR campaign = $1", "email"),
        ("rows of arrays", "SELECT * FROM unnest($1::text[], $2::int[]) AS t (a, b) ORDER BY 1", ["x", "y"], [1, 2]),
        ("joined with an array", "SELECT p.product_id, p.price FROM products p JOIN unnest($1::text[]) AS k (id) ON k.id = p.product_id ORDER BY 1", ["P101", "P105"]),
        ("in coalesce", "SELECT coalesce($1, channel), count(*) FROM orders GROUP BY 1 ORDER BY 1", None),
        ("in date_trunc", "SELECT date_trunc($1, time), count(*) FROM orders WHERE time >= '2026-01-01' GROUP BY 1 ORDER BY 1", "month"),
        ("in having", "SELECT channel FROM orders GROUP BY channel HAVING count(*) > $1 ORDER BY 1", 100),
        ("in arithmetic", "SELECT $1 + orders, orders * $2 FROM customer_360 ORDER BY customer_id LIMIT 1", 1, 2),
        ("document", "SELECT ($1::jsonb)->>'a'", '{"a": "x"}'),
        ("in series", "SELECT * FROM generate_series($1::timestamptz, $2, '1 day')", datetime.datetime(2024, 2, 28, tzinfo=UTC), datetime.datetime(2024, 3, 1, tzinfo=UTC)),
        ("in a function", "SELECT left($1, $2), round($3::numeric, $4)", "abcdef", 3, decimal.Decimal("1.256"), 2),
        ("casts of what is text", "SELECT $1::text::int + 1", "41"),
    ]:
        await acheck(name, rows(connection, query, *given))
    await arefused("no type", connection.fetch("SELECT $1 + $2", 1, 2))


async def statements(connection):
    part("prepared statements and their description")
    prepared = await connection.prepare(
        "SELECT customer_id, net_revenue, sources, orders, last_order_at, birth_date, recency_days FROM customer_360 WHERE orders >= $1 AND country = $2 AND last_order_at > $3 ORDER BY 1 LIMIT $4"
    )
    kinds = lambda told: [[item.name, item.type.name if hasattr(item, "type") else None, item.kind if not hasattr(item, "type") else item.type.kind] for item in told]

    async def of(value):
        return value() if callable(value) else value

    await acheck("parameters", of(lambda: kinds(prepared.get_parameters())))
    await acheck("columns", of(lambda: kinds(prepared.get_attributes())))
    await acheck("status", of(lambda: prepared.get_statusmsg()))
    since = datetime.datetime(2025, 1, 1, tzinfo=UTC)

    async def run(*given):
        return [list(row.values()) for row in await prepared.fetch(*given)]

    await acheck("run", run(2, "DE", since, 2))
    await acheck("run again", run(3, "NL", since, 2))
    await acheck("keys of a row", keys(connection))
    await acheck("many", connection.executemany("SELECT $1::int, $2::text", [(n, str(n)) for n in range(20)]))
    await acheck("several statements", connection.execute("SET application_name = 'a'; SELECT 1; SELECT generate_series(1, 3)"))
    await acheck("one value", connection.fetchval("SELECT segment, members FROM segments ORDER BY 1", column=1))
    await acheck("no row", connection.fetchrow("SELECT 1 WHERE false"))
    await acheck("fetchmany", connection.fetchmany("SELECT $1::int + 1", [(1,), (2,)]))
    explained = await connection.prepare("SELECT 1")
    await acheck("named statement", of(lambda: explained.get_name() != ""))
    await arefused("not a number", connection.fetch("SELECT $1::text::int", "a"))


async def keys(connection):
    row = await connection.fetchrow("SELECT segment, members, count(*) OVER () FROM segments ORDER BY 1 LIMIT 1")
    return [list(row.keys()), row["members"], row.get("nothing")]


async def cursors(connection):
    part("cursors")

    async def iterated():
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return [row[0] async for row in connection.cursor("SELECT x FROM generate_series(1, $1::int) AS t (x)", 25, prefetch=10)]

    async def stepped():
        async with connection.transaction():
            cursor = await connection.cursor("SELECT order_id FROM orders ORDER BY order_id")
            told = [len(await cursor.fetch(100)), await cursor.forward(10), list(await cursor.fetchrow())]
            other = await connection.cursor("SELECT 1")
            return told + [list(await other.fetchrow()), await other.fetchrow(), len(await cursor.fetch(10000))]

    async def prepared():
        async with connection.transaction():
            statement = await connection.prepare("SELECT x FROM generate_series(1, $1::int) AS t (x)")
            return sum([row[0] async for row in statement.cursor(95)])

    await acheck("iterated", iterated())
    await acheck("fetch and forward", stepped())
    await acheck("of a prepared statement", prepared())


async def transactions(connection):
    part("transactions")

    async def states():
        told = [connection.is_in_transaction()]
        transaction = connection.transaction()
        await transaction.start()
        told.append(connection.is_in_transaction())
        for query in ("SELECT 1 / 0", "SELECT 1"):
            try:
                await connection.execute(query)
            except asyncpg.PostgresError as error:
                told.append(type(error).__name__)
        await transaction.rollback()
        return told + [connection.is_in_transaction()]

    async def nested():
        async with connection.transaction():
            try:
                async with connection.transaction():
                    await connection.execute("SET LOCAL timezone = 'Asia/Tokyo'")
                    await connection.execute("SELECT nothing")
            except asyncpg.UndefinedColumnError:
                return await connection.fetchval("SHOW timezone")

    async def level(**options):
        async with connection.transaction(**options):
            return [await connection.fetchval(f"SHOW transaction_{name}") for name in ("isolation", "read_only", "deferrable")]

    await acheck("states", states())
    await acheck("nested", nested())
    await acheck("read only repeatable read", level(isolation="repeatable_read", readonly=True))
    await acheck("serializable deferrable", level(isolation="serializable", readonly=True, deferrable=True))
    notices = []
    connection.add_log_listener(lambda _, told: notices.append([told.severity, told.sqlstate, told.message]))

    async def warned():
        await connection.execute("ROLLBACK")
        await connection.execute("SELECT 1")
        return notices

    await acheck("warnings", warned())
    connection._log_listeners.clear()


async def copies(connection):
    part("COPY into files")

    async def copied(ask, *given, **options):
        out = io.BytesIO()
        return [await ask(*given, output=out, **options), out.getvalue()]

    query = "SELECT order_id, amount, time, paid, campaign FROM orders WHERE channel = $1 ORDER BY order_id LIMIT 3"
    await acheck("copy text", copied(connection.copy_from_query, query, "email"))
    await acheck("copy csv", copied(connection.copy_from_query, query, "email", format="csv", header=True, delimiter=";", null="-"))
    await acheck("copy quoted", copied(connection.copy_from_query, query, "email", format="csv", force_quote=["campaign"]))
    await acheck("copy everything quoted", copied(connection.copy_from_query, query, "email", format="csv", force_quote=True))
    await acheck("copy binary", copied(connection.copy_from_query, query, "email", format="binary"))
    await acheck("copy a table", copied(connection.copy_from_table, "products", columns=["product_id", "price"], schema_name="public", format="csv"))
    await arefused("no table", copied(connection.copy_from_table, "nothing"))


async def kinds(connection):
    part("types looked up in the catalog")
    await acheck("own codec", decoded(connection))
    for name, query in [
        ("arrays of names", "SELECT ARRAY['a', 'b']::name[]"),
        ("array of dates", "SELECT array_agg(DISTINCT entered_at::date ORDER BY entered_at::date) FROM segment_members WHERE segment = 'vip_at_risk'"),
        ("columns of the information schema", "SELECT table_name, column_name, data_type, is_nullable, ordinal_position FROM information_schema.columns WHERE table_name = 'segments' ORDER BY 5"),
        ("a catalog row", "SELECT relname, relkind, relnatts, relhasindex, reloptions, relpersistence FROM pg_class WHERE oid = 'public.orders'::regclass"),
        ("vectors", "SELECT conname, conkey, contype FROM pg_constraint WHERE conrelid = 'public.orders'::regclass ORDER BY 1"),
        ("ranges", "SELECT int4range(1, 5)"),
        ("regclass", "SELECT 'orders'::regclass::text, 'int8'::regtype::text"),
    ]:
        await acheck(name, rows(connection, query))

    async def server():
        return [connection.get_server_version().major, connection.get_settings().TimeZone, connection.get_settings().client_encoding]

    await acheck("server", server())


async def decoded(connection):
    import json
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    told = await rows(connection, "SELECT $1::jsonb, '[1, null]'::json, $2::jsonb->'a'", {"b": [1.5]}, {"a": {"c": "\u20ac"}})
    for kind in ("json", "jsonb"):
        await connection.reset_type_codec(kind, schema="pg_catalog")
    return told


async def errors(connection):
    part("errors by class")
    for name, query in [("syntax", "SELCT 1"), ("column", "SELECT emial FROM customers"), ("table", "SELECT * FROM custommers"), ("function", "SELECT nothing(1)"),
                        ("division", "SELECT 1 / 0"), ("overflow", "SELECT 9223372036854775807 + 1")]:
        async def of():
            try:
                return await connection.fetch(query)
            except asyncpg.PostgresError as error:
                return [type(error).__name__, error.sqlstate, str(error.message), error.severity]
        await acheck(f"class of {name}", of())

    async def wrong(**options):
        try:
            await (await asyncpg.connect(**options)).close()
        except (asyncpg.PostgresError, OSError) as error:
            return [type(error).__name__, str(error)]

    await acheck("no database", wrong(database="nothing"))
    await acheck("bad setting", wrong(server_settings={"timezone": "Nowhere"}))


# A request to cancel is lost on a server that does not run the statement yet, and asyncpg sends one: this ends by itself then.
LONG = "SELECT count(*) FROM generate_series(1, {0}) AS a(x), generate_series(1, {0}) AS b(y) WHERE x + y = 0"


async def stopping(connection):
    part("cancellation and timeouts")

    async def late():
        try:
            return await connection.fetch(LONG.format(20000), timeout=0.2)
        except asyncio.TimeoutError:
            return ["timeout", await connection.fetchval("SELECT 2")]

    async def dropped():
        task = asyncio.ensure_future(connection.fetch(LONG.format(3000)))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return ["cancelled", await connection.fetchval("SELECT 3")]

    async def other():
        victim = await asyncpg.connect(server_settings={"statement_timeout": "30"})
        try:
            return await victim.fetch(ENDLESS)
        finally:
            await victim.close()

    await acheck("a timeout of the client", late())
    await acheck("a task that is cancelled", dropped())
    await arefused("a timeout of the server", other())


async def pools():
    part("pools and their reset")
    async with asyncpg.create_pool(min_size=1, max_size=2, server_settings={"application_name": "pool", "timezone": "Europe/Berlin"}) as pool:
        async def used():
            async with pool.acquire() as one:
                await one.execute("SET timezone = 'Asia/Tokyo'; LISTEN news")
            async with pool.acquire() as one:
                return [await one.fetchval("SHOW timezone"), await one.fetchval("SHOW application_name"), await one.fetchval("SELECT '2024-07-01 00:00'::timestamptz::text")]

        async def two():
            async with pool.acquire() as one, pool.acquire() as other:
                return await asyncio.gather(one.fetchval("SELECT count(*) FROM orders"), other.fetchval("SELECT count(*) FROM events"))

        async def many():
            return sorted(await asyncio.gather(*(pool.fetchval("SELECT $1::int", n) for n in range(8))))

        await acheck("reset on return", used())
        await acheck("two at a time", two())
        await acheck("more than there are connections", many())
    await acheck("without a cache of statements", uncached())


async def uncached():
    connection = await asyncpg.connect(statement_cache_size=0)
    try:
        return [await connection.fetchval("SELECT $1::text", value) for value in "ab"]
    finally:
        await connection.close()


async def analysis(connection):
    part("analytical queries with parameters")
    for name, query, *given in [
        ("new customers by week", "SELECT date_trunc('week', first_order_at) AS week, count(*), sum(net_revenue) FROM customer_360 WHERE first_order_at >= $1 GROUP BY 1 ORDER BY 1", datetime.datetime(2026, 5, 1, tzinfo=UTC)),
        ("share of channels", "SELECT channel, sum(amount), round(100 * sum(amount) / sum(sum(amount)) OVER (), 2) FROM orders WHERE paid GROUP BY channel ORDER BY 2 DESC"),
        ("repeat purchase", "SELECT n, count(*) FROM (SELECT count(*) AS n FROM orders WHERE time >= $1 GROUP BY customer_id) AS t GROUP BY n ORDER BY n", datetime.datetime(2025, 1, 1, tzinfo=UTC)),
        ("baskets", "SELECT o.order_id, count(*), round(sum(i.quantity * i.unit_price::float8)::numeric, 2) FROM orders o JOIN order_items i ON i.order_id = o.order_id WHERE o.status = $1 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5", "shipped"),
        ("stage of each at a time", "SELECT stage, count(*) FROM lifecycle_history WHERE entered_at <= $1 AND (left_at > $1 OR left_at IS NULL) GROUP BY 1 ORDER BY 1", datetime.datetime(2025, 6, 1, tzinfo=UTC)),
    ]:
        await acheck(name, rows(connection, query, *given))


async def main():
    client("asyncpg", asyncpg.__version__)
    for exercise in (values, parameters, statements, cursors, transactions, copies, kinds, errors, stopping, analysis):
        connection = await asyncpg.connect()
        await exercise(connection)
        await acheck(f"reset after {exercise.__name__}", connection.reset())
        await connection.close()
    await pools()
    done()


asyncio.run(main())
