"""pg8000, a driver in plain Python: everything in text with types that the server infers, by its native interface and by
the DB-API."""

from transcript import ENDLESS, check, client, done, part, refused

import datetime
import decimal
import io
import os
import uuid

import pg8000
import pg8000.dbapi
import pg8000.native
from pg8000.native import literal, identifier

HOW = {"user": os.environ["PGUSER"], "password": os.environ["PGPASSWORD"], "host": os.environ["PGHOST"], "port": int(os.environ["PGPORT"]), "database": os.environ["PGDATABASE"]}
UTC = datetime.timezone.utc
connection = pg8000.native.Connection(**HOW)


def values():
    part("values of every type in text")
    for kind, value in [
        ("bool", True), ("int2", -7), ("int4", 2147483647), ("int8", -(2**63)), ("float4", 0.5), ("float8", 0.1), ("float8", float("inf")), ("numeric", decimal.Decimal("-12.3400")), ("numeric(18,4)", decimal.Decimal("1.5")), ("text", "a'b\\ \u20ac\n"), ("varchar", ""), ("bytea", b"\x00\xff"),
        ("date", datetime.date(2024, 2, 29)), ("time", datetime.time(3, 4, 5, 678901)), ("timestamp", datetime.datetime(2024, 2, 29, 3, 4, 5, 678901)), ("timestamptz", datetime.datetime(2024, 2, 29, 3, 4, 5, tzinfo=UTC)), ("interval", datetime.timedelta(days=1, hours=2)), ("uuid", uuid.UUID(int=7)),
        ("json", {"a": [1, None]}), ("jsonb", {"b": "\u20ac"}), ("int4[]", [1, 2, None]), ("text[]", ["a", 'b "c', None, ""]), ("float8[]", [0.5]), ("bool[]", [True, False]), ("timestamptz[]", [datetime.datetime(2024, 1, 1, tzinfo=UTC)]), ("numeric[]", [decimal.Decimal("1.50")]),
    ]:
        check(f"{kind} {value!r}", lambda: [connection.run(f"SELECT CAST(:v AS {kind}) AS v, CAST(:n AS {kind})", v=value, n=None), [[column["name"], column["type_oid"], column["type_modifier"], column["type_size"]] for column in connection.columns]])
    check("untyped", lambda: connection.run("SELECT :a || 'b', :c", a="a", c="c"))
    check("months", lambda: str(connection.run("SELECT interval '1 year 2 months 3 days'")[0][0]))
    check("record", lambda: connection.run("SELECT (1, 'x')"))
    check("literals", lambda: connection.run(f"SELECT {literal('a' + chr(39))}, {identifier('segment')} FROM segments ORDER BY 2 LIMIT 1"))


def statements():
    part("statements, columns and parameters")
    check("columns", lambda: connection.run("SELECT * FROM orders LIMIT 0") + [[column["name"], column["type_oid"], column["type_modifier"], column["type_size"]] for column in connection.columns])
    check("table of a column", lambda: connection.run("SELECT segment, 1 FROM segments LIMIT 0") + [[column["table_oid"] > 0, column["column_attrnum"]] for column in connection.columns])
    check("row count", lambda: connection.run("SELECT * FROM orders") and connection.row_count)
    check("parameters of columns", lambda: connection.run("SELECT count(*) FROM orders WHERE amount > :least AND time < :until AND channel = :channel", least=20, until=datetime.datetime(2026, 1, 1, tzinfo=UTC), channel="email"))
    check("any", lambda: connection.run("SELECT count(*) FROM orders WHERE channel = ANY(:channels)", channels=["email", "direct"]))
    check("in a select", lambda: connection.run("SELECT :a = :b", a="x", b="x"))
    check("limit", lambda: connection.run("SELECT order_id FROM orders ORDER BY 1 LIMIT :n OFFSET :m", n=2, m=1))
    check("several statements", lambda: connection.run("SELECT 1; SELECT 'b'"))
    prepared = connection.prepare("SELECT count(*) FROM orders WHERE channel = :channel")
    check("prepared", lambda: [prepared.run(channel=channel) for channel in ("email", "direct")] + [prepared.close()])
    check("copy", lambda: copied("COPY (SELECT order_id, amount, paid FROM orders ORDER BY 1 LIMIT 3) TO STDOUT WITH (FORMAT csv, HEADER)"))
    check("copy binary", lambda: copied("COPY (SELECT 1, 'a') TO STDOUT WITH (FORMAT binary)"))
    check("notices", lambda: connection.run("COMMIT") or [told[b"M"] for told in connection.notices])
    check("parameter statuses", lambda: [connection.parameter_statuses[name] for name in ("client_encoding", "DateStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings")])
    check("statuses change", lambda: connection.run("SET timezone = 'Asia/Tokyo'") or [connection.parameter_statuses["TimeZone"], connection.run("SELECT '2024-07-01 00:00+00'::timestamptz::text"), connection.run("RESET timezone")])


def copied(query):
    out = io.BytesIO()
    connection.run(query, stream=out)
    return out.getvalue()


def transactions():
    part("transactions, the DB-API and errors")
    check("transaction", lambda: [connection.run(query) for query in ("START TRANSACTION", "SAVEPOINT a", "SELECT 1", "ROLLBACK TO a", "COMMIT")])
    with pg8000.dbapi.connect(**HOW, application_name="suite", startup_params={"timezone": "Europe/Berlin"}) as conn:
        cursor = conn.cursor()
        check("cursor", lambda: cursor.execute("SELECT segment, members FROM segments WHERE members > %s ORDER BY 1", (3,)) and [cursor.fetchone(), cursor.fetchmany(1), cursor.fetchall(), [column[0] for column in cursor.description], cursor.rowcount])
        check("startup", lambda: cursor.execute("SELECT current_setting('application_name'), current_setting('timezone'), '2024-07-01 00:00+00'::timestamptz") and cursor.fetchall())
        refused("an error", lambda: cursor.execute("SELECT 1 / 0"))
        refused("behind an error", lambda: cursor.execute("SELECT 1"))
        conn.rollback()
        check("after a rollback", lambda: cursor.execute("SELECT 1") and cursor.fetchall())
        check("read only", lambda: conn.rollback() or cursor.execute("SET TRANSACTION READ ONLY") and cursor.execute("SHOW transaction_read_only") and cursor.fetchall())
        conn.rollback()
        conn.autocommit = True
        check("autocommit", lambda: cursor.execute("SELECT 2") and cursor.fetchall())
    for name, query in [("syntax", "SELEC 1"), ("column", "SELECT nothing FROM orders"), ("table", "SELECT * FROM nothing"), ("number", "SELECT 'a'::int"), ("parameter", "SELECT CAST(:a AS int)")]:
        refused(name, lambda: connection.run(query, a="x"))
    refused("timeout", lambda: connection.run("SET statement_timeout = 50") or connection.run(ENDLESS))
    check("after a timeout", lambda: connection.run("RESET statement_timeout") or connection.run("SELECT 1"))
    refused("no database", lambda: pg8000.native.Connection(**{**HOW, "database": "nothing"}))


client("pg8000", pg8000.__version__)
for exercise in (values, statements, transactions):
    exercise()
connection.close()
done()
