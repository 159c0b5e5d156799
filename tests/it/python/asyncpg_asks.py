"""What programs do with asyncpg: `asyncpg_asks.py <port>` prints `done`, or fails at the first thing that is not so."""

import asyncio
import datetime
import decimal
import io
import sys

import asyncpg

HOW = {"host": "127.0.0.1", "port": int(sys.argv[1]), "user": "admin", "database": "perennial"}
UTC = datetime.timezone.utc
ENDLESS = "SELECT count(*) FROM generate_series(1, 1000) AS a(y), generate_series(1, 100000000) AS b(z) WHERE y + z = 0"


async def values(connection):
    # Everything goes in binary form, both ways.
    sent = [
        1, 2**40, 7, "a'b \u20ac", 0.1, True, datetime.date(1899, 12, 31), datetime.datetime(2026, 1, 2, 3, 4, 5, 678901),
        datetime.datetime(2026, 7, 2, 3, 4, 5, 678901, tzinfo=UTC), datetime.time(3, 4, 5, 500000), datetime.timedelta(days=1, hours=2), b"\0A\xff",
    ]
    types = ["int", "bigint", "smallint", "text", "float8", "bool", "date", "timestamp", "timestamptz", "time", "interval", "bytea"]
    query = "SELECT " + ", ".join(f"${place}::{name}" for place, name in enumerate(types, 1))
    assert list(await connection.fetchrow(query, *sent)) == sent
    assert set(await connection.fetchrow(query, *[None] * len(sent))) == {None}
    assert await connection.fetchval("SELECT $1::numeric(18, 4)", decimal.Decimal("1234567890.1200")) == decimal.Decimal("1234567890.12")
    # Types are those of the places where the parameters stand.
    assert await connection.fetchval("SELECT count(*) FROM customer_360 WHERE orders >= $1 AND last_order_at < $2", 2, datetime.datetime(2026, 7, 1, tzinfo=UTC)) > 0
    assert await connection.fetchval("SELECT $1::jsonb", '{"a": 1}') is not None
    # In text form a query of several statements goes.
    assert await connection.execute("SET application_name = 'a'; SELECT 1") == "SELECT 1"
    assert await connection.fetchval("SHOW application_name") == "a"


async def arrays(connection):
    for array in (["a", 'b "c", {d}', None, ""], [], ["\u20ac"]):
        assert await connection.fetchval("SELECT $1::text[]", array) == array
    assert await connection.fetchval("SELECT array_agg(x::text ORDER BY x) FROM generate_series(1, 3) AS t(x)") == ["1", "2", "3"]
    keys = [row["order_id"] for row in await connection.fetch("SELECT order_id FROM orders ORDER BY 1 LIMIT 3")]
    assert await connection.fetchval("SELECT count(*) FROM orders WHERE order_id = ANY($1)", keys) == 3
    sources = await connection.fetchval("SELECT sources FROM customer_360 WHERE orders > 0 ORDER BY customer_id LIMIT 1")
    assert isinstance(sources, list) and "shop_orders" in sources, sources


async def statements(connection):
    prepared = await connection.prepare("SELECT customer_id, net_revenue, sources, orders FROM customer_360 WHERE orders >= $1 ORDER BY 1")
    assert [parameter.name for parameter in prepared.get_parameters()] == ["int8"]
    assert [(column.name, column.type.name) for column in prepared.get_attributes()] == [
        ("customer_id", "text"), ("net_revenue", "numeric"), ("sources", "text[]"), ("orders", "int8")]
    every, some = await prepared.fetch(0), await prepared.fetch(2)
    assert len(every) > len(some) > 0
    assert await connection.executemany("SELECT $1::int", [(1,), (2,)]) is None
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        total = 0
        async for row in connection.cursor("SELECT x FROM generate_series(1, 95) AS t(x)", prefetch=10):
            total += row[0]
        assert total == 95 * 96 // 2
        cursor = await connection.cursor("SELECT x FROM generate_series(1, 9) AS t(x)")
        assert [row[0] for row in await cursor.fetch(4)] == [1, 2, 3, 4]
        assert (await cursor.fetchrow())[0] == 5
    # What is wrong is told when it is asked for, and not at a Sync that the driver sends when it knows.
    for wrong, told in (
        ("SELECT emial FROM customers WHERE email = $1", asyncpg.UndefinedColumnError),
        ("SELCT $1", asyncpg.PostgresSyntaxError),
    ):
        try:
            await connection.fetch(wrong, "a", timeout=60)
            raise SystemExit(f"{wrong} has an answer")
        except told:
            pass
    try:
        async with connection.transaction():
            await connection.fetchval("SELECT 1 / 0")
        raise SystemExit("1 / 0 has an answer")
    except asyncpg.DivisionByZeroError:
        pass
    try:
        await connection.fetchval(ENDLESS, timeout=0.2)
        raise SystemExit("it came to an end")
    except asyncio.TimeoutError:
        # It was cancelled, and the connection goes on.
        assert await connection.fetchval("SELECT 2") == 2


async def copies(connection):
    out = io.BytesIO()
    assert await connection.copy_from_query("SELECT x, $1::text FROM generate_series(1, 3) AS t(x)", "y", output=out, format="csv") == "COPY 3"
    assert out.getvalue() == b"1,y\n2,y\n3,y\n"
    out = io.BytesIO()
    assert await connection.copy_from_table("segments", columns=["segment"], output=out, format="csv", header=True) == "COPY 3"
    assert out.getvalue().startswith(b"segment\n")


async def kinds(connection):
    # What asyncpg asks of the catalog for types that it does not know by heart.
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=lambda text: ("json", text))
    await connection.reset_type_codec("jsonb", schema="pg_catalog")
    server = connection.get_server_version()
    assert server.major == 15, server
    assert connection.get_settings().TimeZone


async def main():
    connection = await asyncpg.connect(**HOW)
    for part in (values, arrays, statements, copies, kinds):
        await part(connection)
    await connection.reset()
    await connection.close()
    async with asyncpg.create_pool(**HOW, min_size=1, max_size=2) as pool:
        async with pool.acquire() as one, pool.acquire() as other:
            assert await one.fetchval("SELECT pg_backend_pid()") != await other.fetchval("SELECT pg_backend_pid()")
        assert await pool.fetchval("SELECT 3") == 3
    print("done")


asyncio.run(main())
