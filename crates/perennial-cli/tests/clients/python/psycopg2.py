"""psycopg2, the driver of older programs and of Superset and dbt: parameters bound by the client, text results, named
cursors, COPY, transactions by hand, errors with diagnostics."""

from transcript import ENDLESS, check, client, done, part, refused

import datetime
import decimal
import io
import threading
import uuid

import psycopg2
import psycopg2.extensions as ext
import psycopg2.extras as extras
import psycopg2.pool
from psycopg2 import sql


def connect(autocommit=True, **options):
    connection = psycopg2.connect("", **options)
    connection.autocommit = autocommit
    return connection


connection = connect()


def ask(query, parameters=None, conn=None, **options):
    with (conn or connection).cursor(**options) as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall() if cursor.description else cursor.statusmessage


def values():
    part("values of every type, bound by the client")
    extras.register_uuid()
    day, moment = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 3, 4, 5, 678901)
    for value in [
        True, 1, -(2**40), 0.1, float("nan"), float("-inf"), decimal.Decimal("-12.340"), decimal.Decimal("12345678901234567890.123"), "a'b\\c \u20ac\n%", "", b"\x00\xff'\\", day, datetime.date(1, 1, 1), datetime.time(3, 4, 5, 678901),
        moment, moment.replace(tzinfo=datetime.timezone.utc), moment.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=-5))), datetime.timedelta(days=-3, hours=2, microseconds=5), [1, 2, None], ["a", 'b "c', "{}", None], [], [day],
        [decimal.Decimal("1.5")], uuid.UUID(int=7), [uuid.UUID(int=7)], None, (1, 2),
    ]:
        if isinstance(value, tuple):
            check("a tuple is a list of IN", lambda: ask("SELECT 1 IN %s, 3 IN %s", [value, value]))
        else:
            check(f"{type(value).__name__} {value!r}", lambda: typed(value))
    check("document", lambda: ask("SELECT %s, %s::jsonb", [extras.Json({"a": [1, "\u20ac"]}), extras.Json({"b": 1})]))
    for query in ["'a'::char(3)", "'{\"a\": 1}'::json", "'infinity'::date", "'[1,5)'::int4range", "1::money", "'10.0.0.1'::inet", "ROW(1, 'x')", "'1 year 2 mons'::interval", "ARRAY[[1,2],[3,4]]", "1::oid", "'a'::name", "'2024-01-01'::timestamptz AT TIME ZONE 'Asia/Tokyo'", "'04:05+02'::timetz", "B'101'"]:
        check(f"result of {query}", lambda: ask(f"SELECT {query}"))
    with connection.cursor() as cursor:
        check("mogrify", lambda: cursor.mogrify("SELECT %s, %s, %s", ["a'\\", b"\0", datetime.date(2024, 1, 1)]))
        extras.execute_values(cursor, "SELECT count(*), sum(a) FROM (VALUES %s) AS t (a, b)", [(n, str(n)) for n in range(50)], page_size=100)
        check("execute_values", cursor.fetchall)
    check("identifiers", lambda: ask(sql.SQL("SELECT {} FROM {} ORDER BY 1").format(sql.Identifier("segment"), sql.Identifier("public", "segments"))))


def typed(value):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s AS v", [value])
        return [cursor.fetchone()[0], cursor.description[0].type_code, cursor.description[0].internal_size]


def results():
    part("descriptions, kinds of rows and named cursors")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM customer_360 LIMIT 0")
        check("description", lambda: [list(column) for column in cursor.description])
        cursor.execute("SELECT x FROM generate_series(1, 9) AS t (x)")
        check("fetching", lambda: [cursor.rowcount, cursor.fetchone(), cursor.fetchmany(2), cursor.rownumber, cursor.scroll(-1), cursor.fetchone(), len(cursor.fetchall()), cursor.fetchone()])
        check("several statements give the last", lambda: cursor.execute("SELECT 1; SET timezone = 'UTC'; SELECT 2, 'b'") or [cursor.fetchall(), cursor.statusmessage])
        check("table of a column", lambda: cursor.execute("SELECT segment, 1 FROM segments LIMIT 0") or [[bool(column.table_oid), column.table_column] for column in cursor.description])
    check("dict rows", lambda: [dict(row) for row in ask("SELECT segment, members FROM segments ORDER BY 1", cursor_factory=extras.RealDictCursor)])
    check("named tuples", lambda: ask("SELECT segment, members FROM segments ORDER BY 1", cursor_factory=extras.NamedTupleCursor)[0]._asdict())
    conn = connect(autocommit=False)
    with conn.cursor("named") as cursor:
        cursor.itersize = 200
        cursor.execute("SELECT order_id FROM orders WHERE amount > %s ORDER BY order_id", [5])
        check("named cursor", lambda: [cursor.fetchone(), cursor.description[0].name, cursor.fetchmany(2), sum(1 for _ in cursor)])
    with conn.cursor("scrolled", scrollable=True) as cursor:
        cursor.execute("SELECT generate_series(1, 9)")
        check("scrolled cursor", lambda: [cursor.fetchmany(5), cursor.scroll(-3), cursor.fetchone(), cursor.scroll(8, mode="absolute"), cursor.fetchone()])
    conn.rollback()
    with conn.cursor("held", withhold=True) as cursor:
        cursor.execute("SELECT segment FROM segments ORDER BY 1")
        check("held cursor", lambda: [conn.commit(), cursor.fetchall()])
    conn.close()


def copies():
    part("COPY to files")
    for name, query in [("text", "COPY (SELECT order_id, amount, time, campaign FROM orders ORDER BY 1 LIMIT 3) TO STDOUT"), ("csv", "COPY (SELECT segment, definition, members FROM segments ORDER BY 1) TO STDOUT WITH CSV HEADER"), ("tabs", "COPY (SELECT 1, NULL, 'a|b') TO STDOUT WITH (DELIMITER '|', NULL '-')")]:
        check(f"copy {name}", lambda: copied(lambda cursor, out: cursor.copy_expert(query, out)))
    check("copy_to", lambda: sorted(copied(lambda cursor, out: cursor.copy_to(out, "segment_members", columns=("segment", "customer_id"))).splitlines())[:3])


def copied(copy):
    out = io.StringIO()
    with connection.cursor() as cursor:
        copy(cursor, out)
    return out.getvalue()


def transactions():
    part("transactions, sessions and their settings")
    conn = connect(autocommit=False)
    state = lambda: [conn.status, conn.info.transaction_status]

    def failed():
        told = [state(), ask("SELECT 1", conn=conn), state()]
        for query in ("SELECT 1 / 0", "SELECT 1"):
            try:
                ask(query, conn=conn)
            except psycopg2.Error as error:
                told += [type(error).__name__, error.pgcode, state()]
        conn.rollback()
        return told + [state()]

    check("states", failed)
    check("savepoints", lambda: [ask(query, conn=conn) for query in ("SAVEPOINT a", "SET LOCAL timezone = 'Asia/Tokyo'", "ROLLBACK TO SAVEPOINT a", "SHOW timezone", "RELEASE SAVEPOINT a", "SELECT 1")])
    conn.rollback()
    for options in ({"isolation_level": "REPEATABLE READ", "readonly": True}, {"isolation_level": ext.ISOLATION_LEVEL_SERIALIZABLE, "readonly": True, "deferrable": True}):
        conn.set_session(**options)
        check(f"session {'deferrable' if 'deferrable' in options else 'read only'}", lambda: [ask(f"SHOW transaction_{name}", conn=conn) for name in ("isolation", "read_only", "deferrable")])
        conn.rollback()
    conn.close()
    conn = connect(options="-c search_path=raw,public -c timezone=America/New_York", application_name="suite")
    check("options", lambda: [ask(f"SHOW {name}", conn=conn) for name in ("search_path", "timezone", "application_name")])
    check("offset of times", lambda: ask("SELECT '2024-07-01 12:00+00'::timestamptz", conn=conn)[0][0].utcoffset().total_seconds())
    check("parameters", lambda: [conn.get_parameter_status(name) for name in ("TimeZone", "DateStyle", "client_encoding", "standard_conforming_strings", "integer_datetimes")] + [conn.encoding, conn.server_version // 10000, conn.protocol_version])
    check("reset", lambda: [conn.reset(), ask("SHOW timezone", conn=conn), ask("SHOW search_path", conn=conn)])
    check("notices", lambda: [ask("COMMIT", conn=conn), ask("BEGIN", conn=conn), ask("BEGIN", conn=conn), ask("ROLLBACK", conn=conn), conn.notices])
    check("listen", lambda: [ask("LISTEN news", conn=conn), conn.poll(), ask("UNLISTEN *", conn=conn)])
    conn.close()
    pool = psycopg2.pool.ThreadedConnectionPool(1, 2, "")
    def pooled():
        one = pool.getconn()
        ask("SET timezone = 'Asia/Tokyo'", conn=one)
        pool.putconn(one)
        one = pool.getconn()
        told = ask("SHOW timezone", conn=one)
        pool.putconn(one)
        return told
    check("pool", pooled)
    pool.closeall()


def errors():
    part("errors with diagnostics, and cancellation")
    for name, query in [("syntax", "SELECT FROM WHERE"), ("table", "SELECT 1 FROM nothing n"), ("column", "SELECT ordr_id FROM orders"), ("function", "SELECT date_trnc('day', now())"), ("cast", "SELECT '1x'::numeric"), ("range", "SELECT 300::int2 * 300::int2"),
                        ("operator", "SELECT 'a'::text = 1"), ("grouping", "SELECT customer_id, count(*) FROM orders"), ("month", "SELECT make_date(2024, 13, 1)"), ("array", "SELECT '{1,2'::int[]"), ("interval", "SELECT 'one day'::interval"), ("boolean", "SELECT 'maybe'::bool")]:
        refused(name, lambda: ask(query))
    check("class", lambda: class_of("SELECT nothing FROM orders"))
    check("shown to a user", lambda: class_of("SELECT *\nFROM orders\nWHERE nothing = 1"))
    conn = connect()
    ended = threading.Event()
    def cancel():
        while not ended.wait(0.05):
            conn.cancel()
    thread = threading.Thread(target=cancel)
    thread.start()
    refused("cancel", lambda: ask(ENDLESS, conn=conn))
    ended.set()
    thread.join()
    conn.close()
    refused("timeout", lambda: ask(ENDLESS, conn=connect(options="-c statement_timeout=50")))


def class_of(query):
    try:
        ask(query)
    except psycopg2.Error as error:
        return [type(error).__name__, error.pgerror.split("HINT")[0]]


client("psycopg2", psycopg2.__version__.split()[0])
for exercise in (values, results, copies, transactions, errors):
    exercise()
connection.close()
done()
