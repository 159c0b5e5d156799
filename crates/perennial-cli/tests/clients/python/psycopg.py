"""psycopg 3, the driver of new Python programs: rows of every type in text and in binary, parameters that the server
types, server cursors, pipelines, COPY, transactions, errors by class, cancellation and pools."""

from transcript import ENDLESS, check, client, done, part, refused

import datetime
import decimal
import os
import select
import threading
import uuid

import psycopg
import psycopg_pool
from psycopg import sql
from psycopg.rows import class_row, dict_row, namedtuple_row, scalar_row
from psycopg.types import TypeInfo
from psycopg.types.json import Json, Jsonb
from psycopg.types.range import RangeInfo

UTC = datetime.timezone.utc


def connect(**options):
    return psycopg.connect(**{"autocommit": True, **options})


connection = connect()


def ask(query, parameters=None, binary=False):
    return connection.execute(query, parameters, binary=binary).fetchall()


def values():
    part("values of every type in text and binary")
    day, time = datetime.date(2024, 2, 29), datetime.time(3, 4, 5, 678901)
    moment = datetime.datetime(2024, 2, 29, 3, 4, 5, 678901)
    for kind, values in [
        ("bool", [True, False]),
        ("int2", [0, -32768, 32767]),
        ("int4", [-(2**31), 2**31 - 1]),
        ("int8", [-(2**63), 2**63 - 1]),
        ("float4", [0.1, -1.5e-20, float("inf")]),
        ("float8", [0.1, 1e300, 5e-324, float("nan"), float("-inf"), -0.0]),
        ("numeric", [decimal.Decimal("12345678901234567890.123456"), decimal.Decimal("-0.0010"), decimal.Decimal(0)]),
        ("numeric(18,4)", [decimal.Decimal("1.5"), decimal.Decimal("99999999999999.9999")]),
        ("text", ["", "a'b\\c", "\u20ac \U0001f600\n\t", "x" * 5000]),
        ("varchar", ["a ", ""]),
        ("bpchar", ["ab"]),
        ("name", ["orders"]),
        ("bytea", [b"", b"\x00\xff'\\", bytes(range(256))]),
        ("date", [day, datetime.date(1, 1, 1), datetime.date(9999, 12, 31), datetime.date(1899, 12, 31)]),
        ("time", [time, datetime.time(0), datetime.time(23, 59, 59, 999999)]),
        ("timestamp", [moment, datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)]),
        ("timestamptz", [moment.replace(tzinfo=UTC), datetime.datetime(1969, 12, 31, 23, tzinfo=datetime.timezone(datetime.timedelta(hours=-5)))]),
        ("interval", [datetime.timedelta(days=1, hours=2, microseconds=5), datetime.timedelta(days=-40), datetime.timedelta(seconds=-1)]),
        ("uuid", [uuid.UUID("12345678-1234-5678-9abc-def012345678")]),
        ("json", [Json({"a": [1, None, "\u20ac"]})]),
        ("jsonb", [Jsonb({"b": 1.5, "a": []})]),
        ("oid", [1259]),
        ("int4[]", [[1, 2, None], [], [2**31 - 1]]),
        ("int8[]", [[2**40], [None]]),
        ("float8[]", [[0.5, float("nan")]]),
        ("bool[]", [[True, None, False]]),
        ("numeric[]", [[decimal.Decimal("1.50"), None]]),
        ("text[]", [["a", 'b "c", {d}', None, "", "NULL", "\\"], []]),
        ("date[]", [[day, None]]),
        ("timestamptz[]", [[moment.replace(tzinfo=UTC)]]),
        ("uuid[]", [[uuid.UUID(int=7)]]),
    ]:
        check(kind, lambda: [roundtrip(kind, "%t", values, False), roundtrip(kind, "%b", values, True)])
    check("wide row", lambda: ask("SELECT " + ", ".join(f"{n}::int8 AS c{n}" for n in range(300)))[0][-1])
    check("infinite interval parts", lambda: ask("SELECT interval '1 year 2 months 3 days 04:05:06.789'::text, justify_interval(interval '35 days')::text"))
    check("two-dimensional array", lambda: [ask("SELECT ARRAY[[1,2],[3,4]]", binary=form) for form in (False, True)])
    check("row without columns", lambda: [connection.execute("SELECT FROM segments").rowcount])
    check("record", lambda: ask("SELECT (1, 'a', NULL)::text"))


def roundtrip(kind, form, values, binary):
    cursor = connection.execute("SELECT " + ", ".join([f"{form}::{kind}"] * (len(values) + 1)), [*values, None], binary=binary)
    return [cursor.fetchone(), cursor.description[0].type_display, cursor.pgresult.fformat(0)]


def parameters():
    part("parameters, declared and inferred")
    check("compared with columns", lambda: ask("SELECT count(*) FROM orders WHERE amount > %s AND time < %s AND paid = %s AND channel <> %s",
                                               [decimal.Decimal("20"), datetime.datetime(2025, 1, 1, tzinfo=UTC), True, "email"]))
    check("text for a timestamp column", lambda: ask("SELECT count(*) FROM orders WHERE time >= %s", ["2025-01-01"]))
    check("limit and offset", lambda: ask("SELECT order_id FROM orders ORDER BY order_id LIMIT %s OFFSET %s", [2, 3]))
    check("any of texts", lambda: ask("SELECT count(*) FROM orders WHERE channel = ANY(%s)", [["email", "direct"]]))
    check("any of numbers", lambda: ask("SELECT count(*) FROM customer_360 WHERE orders = ANY(%s)", [[1, 2, 3]]))
    check("no element of an empty array", lambda: ask("SELECT count(*) FROM orders WHERE channel = ANY(%s)", [[]]))
    check("like", lambda: ask("SELECT count(*) FROM events WHERE name LIKE %s", ["page%"]))
    check("a percent sign", lambda: ask("SELECT count(*), %s FROM events WHERE name LIKE 'page%%'", ["5%"]))
    check("named", lambda: ask("SELECT %(a)s::int + %(b)s::int, %(a)s::int", {"a": 1, "b": 2}))
    check("between days", lambda: ask("SELECT count(*) FROM orders WHERE time BETWEEN %s AND %s", [datetime.date(2024, 1, 1), datetime.date(2025, 1, 1)]))
    check("time minus interval", lambda: ask("SELECT count(*) FROM events WHERE time > %s - %s", [datetime.datetime(2026, 7, 1, tzinfo=UTC), datetime.timedelta(days=365)]))
    check("is null", lambda: ask("SELECT count(*) FROM orders WHERE %s::text IS NULL OR channel = %s", [None, "email"]))
    check("in a case", lambda: ask("SELECT CASE WHEN %s > 2 THEN %s ELSE 'few' END", [3, "many"]))
    check("coalesce", lambda: ask("SELECT coalesce(%s, %s)", [None, "x"]))
    check("small numbers are smallint", lambda: ask("SELECT pg_typeof(%s)::text, pg_typeof(%s)::text, pg_typeof(%s)::text", [1, 100000, 2**40]))
    check("types of what is given", lambda: ask("SELECT pg_typeof(%s)::text, pg_typeof(%s)::text, pg_typeof(%s)::text, pg_typeof(%s)::text",
                                                [0.5, decimal.Decimal("1.5"), datetime.date(2024, 1, 1), [1, 2]]))
    check("document", lambda: ask("SELECT %s->>'a', %s->'b'", [Jsonb({"a": "x"}), Json({"b": [1, 2]})]))
    check("property of events", lambda: ask("SELECT count(*) FROM events WHERE properties::jsonb->>%s = %s", ["month", "2023-11"]))
    check("in a function", lambda: ask("SELECT date_trunc(%s, %s), left(%s, %s)", ["month", datetime.datetime(2024, 5, 6, 7), "abcdef", 3]))
    check("in a list of rows", lambda: ask("SELECT * FROM (VALUES (%s, %s), (%s, %s)) AS t (a, b) ORDER BY a", [1, "x", 2, "y"]))
    check("identifiers", lambda: ask(sql.SQL("SELECT {} FROM {} ORDER BY 1 LIMIT {}").format(
        sql.SQL(", ").join(map(sql.Identifier, ["segment", "members"])), sql.Identifier("public", "segments"), sql.Literal(2))))
    with psycopg.ClientCursor(connection) as cursor:
        check("bound by the client", lambda: cursor.execute("SELECT %s, %s, %s, %s", [1.5, "a'b\\", b"\0\1", [datetime.date(2024, 1, 1)]]).fetchall())
    with psycopg.RawCursor(connection) as cursor:
        check("numbered", lambda: cursor.execute("SELECT $2::text || $1::text", ["a", "b"]).fetchall())
    refused("no type can be found", lambda: ask("SELECT %s + %s", ["a", "b"]))
    refused("text that is no number", lambda: ask("SELECT count(*) FROM customer_360 WHERE orders = %s", ["many"]))
    refused("a number for a text column", lambda: ask("SELECT count(*) FROM orders WHERE channel = %s", [5]))


def results():
    part("results and their description")
    cursor = connection.execute("SELECT customer_id, orders, net_revenue, recency_days, last_order_at, birth_date, sources, 1 AS one, 'x'::varchar(9) AS v FROM customer_360 LIMIT 0")
    check("columns", lambda: [[column.name, column.type_code, column.type_display, column.internal_size, column.precision, column.scale] for column in cursor.description])
    check("names that nobody gave", lambda: [column.name for column in connection.execute(
        "SELECT 1, 'a', now(), count(*), max(amount) + 1, amount::text, CASE WHEN true THEN 1 END, coalesce(1, 2), NULL, ARRAY[1], (SELECT 1), EXISTS (SELECT 1), extract(year from now()) FROM orders GROUP BY amount LIMIT 0").description])
    check("the same name twice", lambda: [column.name for column in connection.execute("SELECT m.segment, s.segment, * FROM segment_members m JOIN segments s ON s.segment = m.segment LIMIT 0").description])
    check("statement status", lambda: [(c := connection.execute(query)).statusmessage for query in ("SELECT 1 WHERE false", "SELECT generate_series(1, 3)", "SHOW timezone", "SET timezone = 'UTC'", "VALUES (1), (2)")])
    check("rowcount", lambda: connection.execute("SELECT * FROM orders").rowcount)

    def several():
        cursor = connection.execute("SELECT 1 AS a; SET application_name = 'x'; SELECT 'b' AS b, 2; SELECT 1 WHERE false")
        told = []
        while True:
            told.append([cursor.statusmessage, [column.name for column in cursor.description or []], cursor.fetchall() if cursor.description else None])
            if not cursor.nextset():
                return told

    check("several statements", several)
    check("executemany with results", lambda: many("SELECT %s::int * 2", [[1], [2], [3]]))
    check("rows as dicts", lambda: connection.cursor(row_factory=dict_row).execute("SELECT segment, members FROM segments ORDER BY 1").fetchall())
    check("rows as named tuples", lambda: connection.cursor(row_factory=namedtuple_row).execute("SELECT count(*), max(members) AS most FROM segments").fetchone()._asdict())
    check("rows as objects", lambda: vars(connection.cursor(row_factory=class_row(Segment)).execute("SELECT segment, members FROM segments ORDER BY 1 LIMIT 1").fetchone()))
    check("scalars", lambda: connection.cursor(row_factory=scalar_row).execute("SELECT product_id FROM products ORDER BY 1 LIMIT 3").fetchall())
    check("stream", lambda: sum(row[0] for row in connection.cursor().stream("SELECT x FROM generate_series(1, 1000) AS t (x)")))
    check("stream in portions", lambda: len(list(connection.cursor().stream("SELECT * FROM events ORDER BY time", size=100))))
    refused("an error inside of a stream", lambda: list(connection.cursor().stream("SELECT 10 / (x - 5) FROM generate_series(1, 9) AS t (x)")))
    check("an empty query", lambda: connection.execute("").statusmessage)
    check("a comment only", lambda: connection.execute("-- nothing").statusmessage)
    prepared = "SELECT count(*) FROM orders WHERE channel = %s"
    check("prepared", lambda: [connection.execute(prepared, [channel], prepare=True).fetchone()[0] for channel in ("email", "direct", "no")])
    check("prepared statements", lambda: ask("SELECT statement, parameter_types::text, from_sql FROM pg_prepared_statements WHERE statement LIKE 'SELECT count%%channel%%' ORDER BY 1", []))
    check("deallocate", lambda: [connection.execute("DEALLOCATE ALL").statusmessage, connection.execute(prepared, ["email"], prepare=True).fetchone()[0]])
    check("prepared by sql", lambda: [connection.execute(query).statusmessage for query in ("PREPARE p (int, text) AS SELECT $1 + 1, $2", "EXECUTE p(1, 'a')", "DEALLOCATE p")])


class Segment:
    def __init__(self, segment, members):
        self.segment, self.members = segment, members


def many(query, rows):
    with connection.cursor() as cursor:
        cursor.executemany(query, rows, returning=True)
        told = [cursor.fetchall()]
        while cursor.nextset():
            told.append(cursor.fetchall())
        return told


def cursors():
    part("server cursors")
    with connect(autocommit=False) as conn:
        with conn.cursor("few") as cursor:
            cursor.execute("SELECT x, x::text FROM generate_series(1, 20) AS t (x)")
            check("cursor describes", lambda: [[column.name, column.type_display] for column in cursor.description])
            check("fetchone", cursor.fetchone)
            check("fetchmany", lambda: cursor.fetchmany(3))
            check("scroll forward", lambda: [cursor.scroll(5), cursor.fetchone(), cursor.rownumber])
            check("fetchall", cursor.fetchall)
            check("after the last", lambda: [cursor.fetchone(), cursor.fetchall()])
        with conn.cursor("iterated", binary=True) as cursor:
            cursor.itersize = 500
            cursor.execute("SELECT amount FROM orders WHERE amount > %s", [10])
            check("iterate in portions", lambda: sum(row[0] for row in cursor))
        with conn.cursor("back", scrollable=True) as cursor:
            def back():
                cursor.execute("SELECT generate_series(1, 9)")
                cursor.fetchmany(5)
                cursor.scroll(-2)
                return cursor.fetchone(), cursor.scroll(0, "absolute"), cursor.fetchone()
            check("scroll back", back)
    with connect() as conn:
        with conn.cursor("held", withhold=True) as cursor:
            cursor.execute("SELECT segment FROM segments ORDER BY 1")
            check("held over transactions", lambda: [cursor.fetchone(), conn.execute("SELECT 1").fetchone(), cursor.fetchall()])
        conn.execute("BEGIN; DECLARE c CURSOR FOR SELECT generate_series(1, 6)")
        check("list of cursors", lambda: conn.execute("SELECT name, statement, is_holdable, is_binary, is_scrollable FROM pg_cursors").fetchall())
        check("fetch and move by sql", lambda: [[(c := conn.execute(query)).statusmessage, c.fetchall() if c.description else None] for query in
                                                ("FETCH 2 FROM c", "MOVE 1 FROM c", "FETCH NEXT FROM c", "FETCH FORWARD ALL IN c", "FETCH c", "CLOSE c")])
        refused("a cursor that is closed", lambda: conn.execute("FETCH 1 FROM c"))
        conn.execute("ROLLBACK")
        refused("a cursor outside of a transaction", lambda: conn.execute("DECLARE c CURSOR FOR SELECT 1"))


def pipelines():
    part("pipelines")

    def whole():
        with connection.pipeline():
            asked = [connection.execute("SELECT %s::int", [n]) for n in range(5)]
        return [cursor.fetchone()[0] for cursor in asked]

    def broken():
        told = []
        with connect() as conn:
            try:
                with conn.pipeline() as pipeline:
                    before = conn.execute("SELECT 1")
                    conn.execute("SELECT 1 / 0")
                    conn.execute("SELECT 2")  # raises the error, if it has come by then
                    pipeline.sync()
            except psycopg.errors.DivisionByZero as error:
                told.append(error.sqlstate)
            told.append(before.fetchone())
            return told + [conn.execute("SELECT 3").fetchone(), conn.info.transaction_status.name]

    def synced():
        told = []
        with connect() as conn, conn.pipeline() as pipeline:
            for query in ("SELECT 1", "SELECT nothing", "SELECT 3"):
                try:
                    cursor = conn.execute(query)
                    pipeline.sync()
                    told.append(cursor.fetchone())
                except psycopg.Error as error:
                    told.append(error.sqlstate)
        return told

    def transaction():
        with connect() as conn, conn.pipeline(), conn.transaction():
            asked = [conn.execute("SELECT count(*) FROM orders"), conn.execute("SELECT count(*) FROM events")]
        return [cursor.fetchone()[0] for cursor in asked]

    check("pipeline", whole)
    check("an error aborts up to the sync", broken)
    check("a sync ends what is aborted", synced)
    check("a transaction in a pipeline", transaction)


def copies():
    part("COPY TO STDOUT in text, CSV and binary")

    def copied(query, parameters=None):
        with connection.cursor() as cursor:
            with cursor.copy(query, parameters) as copy:
                blocks = b"".join(bytes(block) for block in copy)
            return blocks

    odd = "SELECT * FROM (VALUES (1, E'a\\tb\\\\c\\nd', 1.5, true, NULL, '\\xff'::bytea, ARRAY['x', 'y z']), (2, '', -0.5, NULL, 'e\"f,g', '', '{}')) AS t ORDER BY 1"
    for name, options in [("text", ""), ("csv", "(FORMAT csv)"), ("csv with all options", "(FORMAT csv, HEADER, DELIMITER ';', NULL 'none', QUOTE '''', FORCE_QUOTE (column2))"),
                          ("binary", "(FORMAT binary)"), ("text with options", "(DELIMITER '|', NULL '')"), ("in the old form", "WITH CSV HEADER")]:
        check(f"copy {name}", lambda: copied(f"COPY ({odd}) TO STDOUT {options}"))
    check("copy with parameters", lambda: copied("COPY (SELECT x FROM generate_series(1, %s) AS t (x)) TO STDOUT", [3]))
    check("copy of a table", lambda: copied("COPY (SELECT * FROM segments ORDER BY segment) TO STDOUT (FORMAT csv, HEADER)"))
    check("copy of columns", lambda: sorted(copied("COPY segments (members, segment) TO STDOUT").splitlines()))
    check("copy of many rows", lambda: len(copied("COPY (SELECT * FROM events ORDER BY record_key) TO STDOUT")))

    def rows(options, *types):
        with connection.cursor() as cursor, cursor.copy(f"COPY (SELECT order_id, time, amount, paid FROM orders ORDER BY order_id LIMIT 3) TO STDOUT {options}") as copy:
            copy.set_types(types)
            return list(copy.rows())

    check("rows of a copy in text", lambda: rows("", "text", "timestamptz", "numeric", "bool"))
    check("rows of a copy in binary", lambda: rows("(FORMAT binary)", "text", "timestamptz", "numeric", "bool"))

    refused("an error inside of a copy", lambda: copied("COPY (SELECT 1 / (x - 2) FROM generate_series(1, 3) AS t (x)) TO STDOUT"))
    refused("a copy of nothing", lambda: copied("COPY nothing TO STDOUT"))
    refused("a copy of a view", lambda: copied("COPY lifecycle_funnel TO STDOUT"))
    refused("an unknown format", lambda: copied("COPY segments TO STDOUT (FORMAT parquet)"))


def transactions():
    part("transactions and savepoints")
    conn = connect(autocommit=False)
    status = lambda: conn.info.transaction_status.name

    def blocks():
        told = [status()]
        conn.execute("SELECT 1")
        told.append(status())
        try:
            conn.execute("SELECT 1 / 0")
        except psycopg.errors.DivisionByZero:
            told.append(status())
        try:
            conn.execute("SELECT 1")
        except psycopg.errors.InFailedSqlTransaction as error:
            told.append(str(error))
        conn.rollback()
        return told + [status()]

    def nested():
        told = []
        with conn.transaction():
            try:
                with conn.transaction("inner one"):
                    conn.execute("SELECT nothing")
            except psycopg.errors.UndefinedColumn:
                told.append(status())
            told.append(conn.execute("SELECT 2").fetchone())
            with conn.transaction():
                conn.execute("SET LOCAL application_name = 'inside'")
                raise psycopg.Rollback
            told.append(conn.execute("SHOW application_name").fetchone())
        return told + [status()]

    def ended(query):
        conn.execute("SELECT 1")
        try:
            conn.execute("SELECT 1 / 0")
        except psycopg.Error:
            return conn.execute(query).statusmessage, status()

    check("states of a transaction", blocks)
    check("transactions in transactions", nested)
    check("commit of what failed", lambda: ended("COMMIT"))
    conn.autocommit = True
    for name, options in [("read only", {"read_only": True}), ("repeatable read", {"isolation_level": psycopg.IsolationLevel.REPEATABLE_READ}),
                          ("deferrable", {"isolation_level": psycopg.IsolationLevel.SERIALIZABLE, "deferrable": True, "read_only": True})]:
        def of():
            with connect(autocommit=False) as conn:
                for option, value in options.items():
                    setattr(conn, option, value)
                return [conn.execute(f"SHOW transaction_{show}").fetchone()[0] for show in ("isolation", "deferrable")] + ([conn.execute("SHOW transaction_read_only").fetchone()[0]] if "read_only" in options else [])
        check(f"{name} transaction", of)
    check("now stands still", lambda: [conn.execute("BEGIN").statusmessage, conn.execute("SELECT now()").fetchone() == conn.execute("SELECT now()").fetchone(), conn.execute("ROLLBACK").statusmessage])
    check("chained", lambda: [conn.execute(query).statusmessage for query in ("BEGIN ISOLATION LEVEL REPEATABLE READ", "COMMIT AND CHAIN", "SHOW transaction_isolation", "ROLLBACK AND NO CHAIN")] + [status()])
    refused("write in a read only transaction", lambda: [conn.execute("BEGIN READ ONLY"), conn.execute("CREATE TABLE t (a int)")])
    conn.execute("ROLLBACK")
    refused("no such savepoint", lambda: [conn.execute("BEGIN"), conn.execute("ROLLBACK TO SAVEPOINT nowhere")])
    conn.execute("ROLLBACK")
    refused("savepoint outside", lambda: conn.execute("SAVEPOINT s"))
    notices = []
    conn.add_notice_handler(lambda told: notices.append([told.severity_nonlocalized, told.sqlstate, told.message_primary]))
    check("warnings", lambda: [conn.execute(query).statusmessage for query in ("COMMIT", "ROLLBACK", "BEGIN", "BEGIN", "COMMIT", "SET LOCAL timezone = 'UTC'")] and notices)
    conn.close()


def settings():
    part("settings of a session")
    with connect(options="-c TimeZone=Europe/Berlin -c statement_timeout=12345 -c search_path=raw,public", application_name="suite") as conn:
        show = lambda query: conn.execute(query).fetchone()
        check("by options", lambda: [show(f"SHOW {name}") for name in ("timezone", "statement_timeout", "search_path", "application_name")])
        check("the first schema of the path", lambda: show("SELECT current_schema(), current_schemas(false)::text, (SELECT count(*) FROM shop_orders) = (SELECT count(*) FROM raw.shop_orders)"))
        check("time zone of values", lambda: [show("SELECT '2024-07-01 12:00+00'::timestamptz"), show("SELECT '2024-07-01 12:00+00'::timestamptz::text, '2024-07-01'::timestamptz::date::text")])
        check("reported", lambda: [conn.info.parameter_status(name) for name in ("TimeZone", "application_name", "client_encoding", "DateStyle", "IntervalStyle", "integer_datetimes", "standard_conforming_strings", "server_encoding", "is_superuser", "session_authorization", "in_hot_standby", "default_transaction_read_only")])
        check("reported when set", lambda: [conn.execute("SET timezone = 'Asia/Tokyo'").statusmessage, conn.info.timezone, conn.info.parameter_status("TimeZone")])
        check("reset goes back to options", lambda: [conn.execute("RESET timezone").statusmessage, show("SHOW timezone")])
        check("date style", lambda: [conn.execute("SET datestyle = 'German, DMY'").statusmessage, conn.info.parameter_status("DateStyle"), show("SELECT now()::date = current_date, '31.12.2024'::date::text, '2024-07-01 12:00+00'::timestamptz::text"), conn.execute("RESET datestyle").statusmessage])
        check("interval style", lambda: [[conn.execute(f"SET intervalstyle = '{style}'").statusmessage, show("SELECT interval '1 year 2 days -03:00:01.5'::text")] for style in ("postgres", "iso_8601", "sql_standard", "postgres_verbose")])
        check("bytes as escapes", lambda: [conn.execute("SET bytea_output = 'escape'").statusmessage, show("SELECT '\\x00ff41'::bytea::text"), show("SELECT '\\x00ff41'::bytea")])
        check("digits of floats", lambda: [conn.execute("SET extra_float_digits = 0").statusmessage, show("SELECT (0.1::float8 + 0.2)::text"), conn.execute("RESET extra_float_digits").statusmessage, show("SELECT (0.1::float8 + 0.2)::text")])
        check("local to a transaction", lambda: [conn.execute("BEGIN; SET LOCAL timezone = 'UTC'; SHOW timezone").statusmessage, conn.execute("COMMIT").statusmessage, show("SHOW timezone")])
        check("rolled back", lambda: [conn.execute("BEGIN; SET search_path = perennial; ROLLBACK").statusmessage, show("SHOW search_path")])
        check("by function", lambda: show("SELECT set_config('search_path', 'public', false), current_setting('search_path'), current_setting('my.own', true)"))
        check("settings of one's own", lambda: [conn.execute("SET my.own = 'a'").statusmessage, show("SELECT current_setting('my.own')")])
        check("encoding", lambda: [conn.execute("SET client_encoding = 'LATIN1'").statusmessage, conn.info.encoding, show("SELECT 'caf\u00e9'"), conn.execute("SET client_encoding = 'UTF8'").statusmessage])
        check("who and where", lambda: show("SELECT current_user, session_user, current_database(), pg_is_in_recovery(), inet_server_port() IS NOT NULL"))
        check("server version", lambda: [conn.info.server_version // 10000, show("SHOW server_version_num")[0][:2], show("SELECT version()")[0].split(".")[0]])
        refused("unknown setting", lambda: show("SHOW nothing"))
        refused("bad value", lambda: conn.execute("SET timezone = 'Nowhere/Land'"))
        refused("bad number", lambda: conn.execute("SET statement_timeout = 'soon'"))
        refused("cannot be set", lambda: conn.execute("SET server_version = '1'"))


def errors():
    part("errors with all their fields")
    for name, query in [
        ("syntax", "SELEC 1"), ("syntax at the end", "SELECT * FROM"), ("unknown table", "SELECT * FROM ordrs"), ("unknown schema", "SELECT * FROM no.orders"),
        ("unknown column", "SELECT amont FROM orders"), ("unknown column of a table", "SELECT o.nothing FROM orders o"), ("unknown alias", "SELECT x.amount FROM orders o"),
        ("ambiguous column", "SELECT customer_id FROM orders JOIN customers USING (customer_id) JOIN events ON true LIMIT 1"), ("not grouped", "SELECT channel, amount FROM orders GROUP BY channel"),
        ("unknown function", "SELECT nothing(1, 'a')"), ("unknown operator", "SELECT 1 + true"), ("unknown type", "SELECT 1::nothing"), ("aggregate in where", "SELECT 1 FROM orders WHERE count(*) > 1"),
        ("division by zero", "SELECT 1 / 0"), ("not a number", "SELECT 'a'::int"), ("not a date", "SELECT '2024-02-30'::date"), ("not a timestamp", "SELECT 'soon'::timestamptz"), ("too big", "SELECT 2147483647 + 1"),
        ("too big a numeric", "SELECT 12345::numeric(4, 2)"), ("not a boolean", "SELECT 1 FROM orders WHERE amount"), ("two rows", "SELECT (SELECT order_id FROM orders)"), ("two columns", "SELECT (SELECT 1, 2)"),
        ("union of types", "SELECT 1 UNION SELECT true"), ("union of widths", "SELECT 1 UNION SELECT 1, 2"), ("unknown zone", "SELECT now() AT TIME ZONE 'Nowhere'"), ("no such unit", "SELECT date_trunc('fortnite', now())"),
        ("no such document", "SELECT '{a'::json"), ("bad regular expression", "SELECT 'a' ~ '('"), ("negative limit", "SELECT 1 LIMIT -1"), ("order by place", "SELECT 1 ORDER BY 3"), ("position behind lines", "SELECT 1,\n  '\u20ac',\n  nothing"),
    ]:
        refused(name, lambda: ask(query))
    check("severity", lambda: severity("SELECT 1 / 0"))
    check("classes", lambda: [kind.__name__ for kind in class_of("SELECT 'a'::int")])
    refused("unknown prepared statement", lambda: ask("EXECUTE nothing"))
    check("unknown database says", lambda: said(dbname="nothing"))
    check("bad option says", lambda: said(options="-c nothing=1"))


def severity(query):
    try:
        ask(query)
    except psycopg.Error as error:
        return [error.diag.severity, error.diag.severity_nonlocalized]


def class_of(query):
    try:
        ask(query)
    except psycopg.Error as error:
        return type(error).__mro__[:4]


def said(**options):
    try:
        connect(**options).close()
    except psycopg.OperationalError as error:
        return str(error).split("failed: ")[-1].strip()


def stopping():
    part("cancellation, timeouts and termination")
    for name, stop in [("cancel", lambda conn: conn.cancel()), ("cancel safely", lambda conn: conn.cancel_safe()),
                       ("cancel by function", lambda conn: ask("SELECT pg_cancel_backend(%s)", [conn.info.backend_pid])),
                       ("terminate", lambda conn: ask("SELECT pg_terminate_backend(%s)", [conn.info.backend_pid]))]:
        with connect() as conn:
            def stopped():
                ended = threading.Event()
                def again():
                    while not ended.wait(0.05):
                        stop(conn)
                thread = threading.Thread(target=again)
                thread.start()
                try:
                    return conn.execute(ENDLESS).fetchall()
                finally:
                    ended.set()
                    thread.join()
            refused(name, stopped)
            if name != "terminate":
                check(f"alive after {name}", lambda: conn.execute("SELECT 1").fetchone() if not conn.closed else "closed")
    with connect(options="-c statement_timeout=50") as conn:
        refused("statement timeout", lambda: conn.execute(ENDLESS))
        refused("statement timeout of a stream", lambda: list(conn.cursor().stream(ENDLESS)))
        check("alive after a timeout", lambda: conn.execute("SELECT 1").fetchone())
    for name, setting, start in [("idle in a transaction", "idle_in_transaction_session_timeout", "BEGIN"), ("idle session", "idle_session_timeout", "SELECT 1")]:
        def idle():
            conn = connect(options=f"-c {setting}=20")
            conn.execute(start)
            select.select([conn.pgconn.socket], [], [])
            conn.execute("SELECT 1")
        refused(name, idle)
    check("a pid that is not there", lambda: ask("SELECT pg_cancel_backend(2147483647)"))


def pools():
    part("connection pool")
    reset = lambda conn: conn.execute("DISCARD ALL")
    with psycopg_pool.ConnectionPool(min_size=1, max_size=2, kwargs={"autocommit": True}, reset=reset, check=psycopg_pool.ConnectionPool.check_connection) as pool:
        def used():
            with pool.connection() as conn:
                conn.execute("SET timezone = 'Asia/Tokyo'; PREPARE s AS SELECT 1; DECLARE c CURSOR WITH HOLD FOR SELECT 1")
            with pool.connection() as conn:
                return [conn.execute("SHOW timezone").fetchone(), conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone(), conn.execute("SELECT count(*) FROM pg_cursors").fetchone()]
        check("discarded on return", used)
        def two():
            with pool.connection() as one, pool.connection() as other:
                return one.info.backend_pid != other.info.backend_pid
        check("two at a time", two)


def catalog():
    part("types and the catalog")
    for name in ("text", "int4", "timestamptz", "numeric", "jsonb", "_text", "pg_catalog.bool", "nothing", "hstore"):
        def info():
            found = TypeInfo.fetch(connection, name)
            return found and [found.name, found.oid, found.array_oid, found.regtype, found.delimiter]
        check(f"type {name}", info)
    check("range type", lambda: (found := RangeInfo.fetch(connection, "int4range")) and [found.name, found.oid, found.subtype_oid])
    check("regtypes", lambda: ask("SELECT to_regtype(%s)::oid::int, to_regtype('nothing') IS NULL, to_regclass('orders') IS NOT NULL, to_regclass('nope')", ["int8"]))
    check("columns of a table", lambda: ask("SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(a.attrelid, a.attnum) FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 ORDER BY a.attnum", ["public.orders"]))
    check("listen", lambda: [connection.execute(query).statusmessage for query in ("LISTEN news", "UNLISTEN news", "UNLISTEN *")])


def analysis():
    part("analytical queries on customers, orders and events")
    for name, query in [
        ("revenue by stage", "SELECT lifecycle_stage, count(*), sum(net_revenue), round(avg(net_revenue), 2), count(*) FILTER (WHERE orders > 1) FROM customer_360 GROUP BY 1 ORDER BY 1"),
        ("orders by month", "SELECT date_trunc('month', time) AS month, count(*), sum(amount), sum(sum(amount)) OVER (ORDER BY date_trunc('month', time)) FROM orders GROUP BY 1 ORDER BY 1"),
        ("orders by week in Berlin", "SELECT date_trunc('week', time AT TIME ZONE 'Europe/Berlin')::date, count(DISTINCT customer_id) FROM orders WHERE time >= '2025-01-01' GROUP BY 1 ORDER BY 1"),
        ("the latest order of each", "SELECT DISTINCT ON (customer_id) customer_id, order_id, time, amount FROM orders ORDER BY customer_id, time DESC, order_id LIMIT 10"),
        ("ranks", "SELECT category, name, price, rank() OVER w, row_number() OVER (w ROWS UNBOUNDED PRECEDING), lag(price) OVER w FROM products WINDOW w AS (PARTITION BY category ORDER BY price DESC, name) ORDER BY 1, 4, 2"),
        ("moving average", "SELECT day, n, round(avg(n) OVER (ORDER BY day ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), 2) FROM (SELECT time::date AS day, count(*) AS n FROM orders WHERE time >= '2026-05-01' GROUP BY 1) AS days ORDER BY 1"),
        ("days without orders", "SELECT d::date, count(order_id) FROM generate_series('2026-06-01'::timestamptz, '2026-06-20', '1 day') AS t (d) LEFT JOIN orders ON date_trunc('day', time) = d GROUP BY 1 ORDER BY 1"),
        ("time between orders", "SELECT width_bucket(extract(epoch FROM gap) / 86400, 0, 365, 12), count(*) FROM (SELECT time - lag(time) OVER (PARTITION BY customer_id ORDER BY time) AS gap FROM orders) AS g WHERE gap IS NOT NULL GROUP BY 1 ORDER BY 1"),
        ("funnel", "WITH seen AS (SELECT customer_id, min(time) FILTER (WHERE name = 'product_view') AS viewed, min(time) FILTER (WHERE name = 'add_to_cart') AS added FROM events GROUP BY 1) SELECT count(viewed), count(added), count(*) FILTER (WHERE added > viewed) FROM seen"),
        ("stages over time", "SELECT stage, count(*), avg(coalesce(left_at, '2026-07-01'::timestamptz) - entered_at)::interval(0)::text FROM lifecycle_history GROUP BY stage ORDER BY stage"),
        ("rollup", "SELECT channel, status, count(*), grouping(channel, status) FROM orders GROUP BY ROLLUP (channel, status) ORDER BY 4, channel NULLS LAST, status NULLS LAST"),
        ("percentiles", "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount), percentile_cont(0.9) WITHIN GROUP (ORDER BY amount) FROM orders"),
        ("arrays", "SELECT source, count(*) FROM customer_360, unnest(sources) AS s (source) GROUP BY 1 ORDER BY 1"),
        ("texts of groups", "SELECT country, string_agg(DISTINCT city, ', ' ORDER BY city) FROM customers WHERE country IS NOT NULL GROUP BY 1 ORDER BY 1"),
        ("documents", "SELECT properties::json->>'product_id' AS product, count(*) FROM events WHERE properties::json->>'product_id' IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5"),
        ("correlated", "SELECT c.customer_id, (SELECT max(o.amount) FROM orders o WHERE o.customer_id = c.customer_id) FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.customer_id AND o.amount > 100) ORDER BY 1 LIMIT 5"),
        ("recursive", "WITH RECURSIVE m (d, n) AS (SELECT date '2026-01-01', 1 UNION ALL SELECT (d + interval '1 month')::date, n + 1 FROM m WHERE n < 4) SELECT d, n FROM m ORDER BY n"),
        ("lateral", "SELECT s.segment, t.customer_id FROM segments s CROSS JOIN LATERAL (SELECT customer_id FROM segment_members m WHERE m.segment = s.segment ORDER BY entered_at, customer_id LIMIT 2) AS t ORDER BY 1, 2"),
        ("a view", "SELECT cohort, period, cohort_customers, value, round(ratio::numeric, 6), complete FROM cohort_retention_monthly WHERE period < 2 ORDER BY 1, 2 LIMIT 6"),
        ("sets", "SELECT customer_id FROM orders WHERE channel = 'email' INTERSECT SELECT customer_id FROM events WHERE channel = 'email' EXCEPT SELECT customer_id FROM refunds ORDER BY 1 LIMIT 5"),
    ]:
        check(name, lambda: ask(query, binary=True))


client("psycopg", psycopg.__version__)
for exercise in (values, parameters, results, cursors, pipelines, copies, transactions, settings, errors, stopping, pools, catalog, analysis):
    exercise()
connection.close()
done()
