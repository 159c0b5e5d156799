"""psqlODBC by pyodbc, the road of Excel, Tableau, LibreOffice and SAS: the options that they connect with, what they ask of
the catalog, results and parameters of every type, portions of rows, transactions, errors, timeouts and cancellation."""

from transcript import ENDLESS, check, client, done, part, refused

import ctypes
import datetime
import decimal
import os
import threading
import uuid

libraries = os.environ["PERENNIAL_TEST_PSQLODBC"]
for library in ("libltdl.so.7", "libodbc.so.2", "libodbcinst.so.2"):
    ctypes.CDLL(f"{libraries}/{library}", ctypes.RTLD_GLOBAL)

import pyodbc

pyodbc.pooling = False

# What programs put into the connection string. A portion has seven rows, so that it ends inside of every result.
PROGRAMS = {
    "as it comes": {},
    "as Excel": {"UseServerSidePrepare": 0, "BoolsAsChar": 1, "ByteaAsLongVarBinary": 1},
    "as Tableau": {"UseDeclareFetch": 1, "Fetch": 7, "BoolsAsChar": 0, "ByteaAsLongVarBinary": 1, "MaxVarcharSize": 255, "Protocol": "7.4-2"},
    "as LibreOffice": {"UseServerSidePrepare": 1, "TextAsLongVarchar": 0, "UnknownsAsLongVarchar": 1, "Protocol": "7.4-0", "ShowSystemTables": 0},
    "as SAS": {"UseDeclareFetch": 1, "Fetch": 7, "UseServerSidePrepare": 1, "Protocol": "7.4-1", "RowVersioning": 0, "DisallowPremature": 0},
}


def connect(autocommit=True, **options):
    named = {
        "DRIVER": f"{libraries}/odbc/psqlodbcw.so",
        "SERVER": os.environ["PGHOST"],
        "PORT": os.environ["PGPORT"],
        "UID": os.environ["PGUSER"],
        "PWD": os.environ["PGPASSWORD"],
        "DATABASE": os.environ["PGDATABASE"],
        **options,
    }
    return pyodbc.connect(";".join(f"{name}={value}" for name, value in named.items()), autocommit=autocommit)


connection = connect()
connections = {name: connect(**options) for name, options in PROGRAMS.items()}


def ask(query, *parameters, conn=None):
    cursor = (conn or connection).execute(query, *parameters)
    return rows(cursor) if cursor.description else cursor.rowcount


def rows(cursor, leaving=()):
    """The rows, but for columns that servers number by themselves."""
    kept = [place for place, column in enumerate(cursor.description) if column[0] not in leaving]
    return [[row[place] for place in kept] for row in cursor.fetchall()]


def described(cursor, leaving=()):
    return [[column[0] for column in cursor.description if column[0] not in leaving], *rows(cursor, leaving)]


def drivers():
    part("connections with the options of programs")
    for name, conn in connections.items():
        check(f"{name}, who and where", lambda: ask("SELECT current_user, current_database(), current_schema()", conn=conn))
        check(f"{name}, settings", lambda: [ask(f"SHOW {setting}", conn=conn) for setting in ("client_encoding", "datestyle", "extra_float_digits")])
    check("isolation", lambda: ask("SHOW transaction_isolation"))
    for name in ("SQL_DBMS_NAME", "SQL_DATABASE_NAME", "SQL_USER_NAME", "SQL_DATA_SOURCE_READ_ONLY", "SQL_IDENTIFIER_QUOTE_CHAR", "SQL_MAX_IDENTIFIER_LEN", "SQL_MAX_SCHEMA_NAME_LEN", "SQL_MAX_TABLE_NAME_LEN", "SQL_MAX_COLUMN_NAME_LEN", "SQL_TXN_CAPABLE", "SQL_DEFAULT_TXN_ISOLATION",
                 "SQL_GETDATA_EXTENSIONS", "SQL_CATALOG_NAME", "SQL_SCHEMA_TERM", "SQL_KEYWORDS", "SQL_OJ_CAPABILITIES", "SQL_NULL_COLLATION", "SQL_TIMEDATE_FUNCTIONS", "SQL_STRING_FUNCTIONS"):
        check(f"information {name}", lambda: connection.getinfo(getattr(pyodbc, name)))
    check("version", lambda: connection.getinfo(pyodbc.SQL_DBMS_VER).split(".")[0])
    refused("wrong password", lambda: connect(PWD="wrong"))
    refused("no such database", lambda: connect(DATABASE="nowhere"))
    check("what is said at the start", lambda: ask("SHOW application_name; SHOW timezone", conn=connect(ConnSettings="SET+timezone+%3d+%27Asia/Tokyo%27")))


# Numbers that each server gives by itself.
OWN = ("table oid", "oid")


def catalogs():
    part("what programs ask of the catalog")
    cursor = connection.cursor()
    check("tables of a schema", lambda: described(cursor.tables(schema="public")))
    check("tables of all schemas", lambda: [row for row in rows(cursor.tables(schema="%", tableType="TABLE")) if row[1] not in ("pg_catalog", "information_schema")])
    check("views", lambda: rows(cursor.tables(schema="public", tableType="VIEW")))
    check("tables and views by a pattern", lambda: rows(cursor.tables(table="order%", tableType="TABLE,VIEW")))
    check("a pattern with a quoted character", lambda: [rows(cursor.tables(table=pattern)) for pattern in ("shop\\_%", "shop_orders", "sho%_orders")])
    check("system tables", lambda: [row[1:4] for row in rows(cursor.tables(schema="pg_catalog", table="pg_c%", tableType="SYSTEM TABLE"))])
    check("no such table", lambda: rows(cursor.tables(table="nothing")))
    check("schemas", lambda: sorted(row[1] for row in rows(cursor.tables(catalog="", schema="%", table="")) if not row[1].startswith("pg_t")))
    check("catalogs", lambda: sorted({row[0] for row in rows(cursor.tables(catalog="%", schema="", table=""))} & {"perennial", "postgres", None}, key=str))
    check("kinds of tables", lambda: sorted(row[3] for row in rows(cursor.tables(catalog="", schema="", table="", tableType="%"))))
    for table in ("orders", "customers", "customer_360", "segment_members", "events", "cohort_retention_monthly", "identities"):
        check(f"columns of {table}", lambda: described(cursor.columns(table=table, schema="public"), OWN))
        check(f"primary key of {table}", lambda: described(cursor.primaryKeys(table=table, schema="public")))
        check(f"indexes of {table}", lambda: described(cursor.statistics(table=table, schema="public", unique=False, quick=True)))
        check(f"what {table} refers to", lambda: described(cursor.foreignKeys(foreignTable=table, foreignSchema="public")))
        check(f"what tells rows of {table} apart", lambda: described(cursor.rowIdColumns(table, schema="public")))
    check("columns of another schema", lambda: described(cursor.columns(table="shop_orders", schema="raw"), OWN))
    check("columns by a pattern", lambda: [row[2:6] for row in rows(cursor.columns(schema="public", table="orders", column="%id"))])
    check("columns of a system table", lambda: [row[3:7] for row in rows(cursor.columns(schema="pg_catalog", table="pg_namespace"))])
    for name in ("as Excel", "as Tableau", "as LibreOffice"):
        check(f"columns, {name}", lambda: described(connections[name].cursor().columns(table="orders", schema="public"), OWN))
        check(f"tables, {name}", lambda: rows(connections[name].cursor().tables(schema="public")))
    check("what refers to customers", lambda: sorted(rows(cursor.foreignKeys(table="customers", schema="public")), key=str))
    check("between two tables", lambda: described(cursor.foreignKeys(table="customers", schema="public", foreignTable="orders", foreignSchema="public")))
    check("unique indexes", lambda: described(cursor.statistics(table="orders", schema="public", unique=True, quick=True)))
    check("versions of rows", lambda: described(cursor.rowVerColumns("orders", schema="public")))
    check("types", lambda: described(cursor.getTypeInfo()))
    check("a type", lambda: [rows(cursor.getTypeInfo(kind)) for kind in (pyodbc.SQL_VARCHAR, pyodbc.SQL_NUMERIC, pyodbc.SQL_TYPE_TIMESTAMP, pyodbc.SQL_BIT, pyodbc.SQL_GUID)])
    check("procedures by name", lambda: [row[:3] + row[6:] for row in rows(cursor.procedures(procedure="initcap"))])
    check("columns of a procedure", lambda: [row[:7] for row in rows(cursor.procedureColumns(procedure="initcap", schema="pg_catalog"))])


# A value of each type, as a program would get it from a table.
VALUES = {
    "bool": "true", "int2": "(-32768)", "int4": "2147483647", "int8": "(-9223372036854775808)", "float4": "0.1", "float8": "1e300", "numeric": "'12345678901234567890.123456'", "numeric(18,4)": "1.5",
    "text": "'\u20ac \U0001f600 a''b\\c'", "varchar(9)": "'ab'", "char(3)": "'a'", "name": "'orders'", "bytea": r"'\x00ff275c'", "date": "'2024-02-29'", "time": "'03:04:05.678901'", "timestamp": "'2024-02-29 03:04:05.678901'",
    "timestamptz": "'2024-02-29 03:04:05.678901+00'", "interval": "'1 year 2 mons 3 days 04:05:06.7'", "uuid": "'12345678-1234-5678-9abc-def012345678'", "json": "'{\"a\": [1, null]}'", "jsonb": "'{\"a\":1}'", "oid": "1259",
    "int4[]": "'{1,2,NULL}'", "text[]": "'{a,\"b c\",NULL}'", "timestamptz[]": "'{2024-01-01 00:00+00}'", "inet": "'10.0.0.1'", "money": "1.5", "\"char\"": "'x'", "timetz": "'04:05+02'", "regclass": "'pg_class'", "point": "'(1,2)'", "xml": "'<a/>'",
}


def values():
    part("results of every type, with the options of each program")
    for kind, value in VALUES.items():
        each(kind, lambda conn: typed(conn.execute(f"SELECT {value}::{kind} AS v, NULL::{kind} AS none")))
    part("names, sizes and several results")
    each("description of customer_360", lambda conn: columns(conn.execute("SELECT * FROM customer_360 LIMIT 0")))
    each("description of expressions", lambda conn: columns(conn.execute("SELECT count(*), sum(amount), avg(amount), max(time), 1, 'a', NULL, upper(channel), time::date, amount > 5, extract(year FROM time) FROM orders GROUP BY amount, channel, time LIMIT 0")))
    check("names of columns", lambda: [column[0] for column in connection.execute("SELECT 1, now(), count(*), max(amount) FROM orders").description])
    check("several statements", lambda: several("SELECT 1 AS a; SET timezone = 'UTC'; SELECT 'b' AS b, 2; SELECT 1 WHERE false"))
    check("how many rows", lambda: [connection.execute("SELECT * FROM orders").rowcount > 0, connection.execute("SET timezone = 'UTC'").rowcount])
    check("bytes in an escaped text", lambda: ask(r"SELECT E'\\x00ff'::bytea"))
    check("sum of a series", lambda: ask("SELECT sum(x) FROM generate_series(1, 20) AS t (x)"))
    check("a comment before a query", lambda: ask("/* of a report */ SELECT 1 -- one"))


def each(name, ask):
    """One check of what every program is told."""
    check(name, lambda: {program: ask(conn) for program, conn in connections.items()})


def typed(cursor):
    return [columns(cursor)[0][1:], rows(cursor)]


def columns(cursor):
    return [[name, kind.__name__, *sizes] for name, kind, *sizes in cursor.description]


def several(query):
    cursor = connection.execute(query)
    told = []
    while True:
        told.append(described(cursor) if cursor.description else None)
        if not cursor.nextset():
            return told


def parameters():
    part("parameters of every type")
    day, moment = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 3, 4, 5, 678901)
    given = [True, 5, -(2**40), 0.1, decimal.Decimal("-12.3400"), "a'b\\c \u20ac", "", "x" * 9000, b"\x00\xff'", day, datetime.time(3, 4, 5), moment, uuid.UUID(int=7), None]
    for program, options in PROGRAMS.items():
        for value in given:
            check(f"{program}, {type(value).__name__} {str(value)[:12]!r}", lambda: ask(f"SELECT ?{'::bytea' if isinstance(value, bytes) else ''} AS v", value, conn=connect(**options)))
        check(f"{program}, beside columns", lambda: ask("SELECT count(*) FROM orders WHERE amount > ? AND time < ? AND paid = ? AND channel <> ?", decimal.Decimal("20"), moment, True, "email", conn=connect(**options)))
        check(f"{program}, a day beside a timestamp", lambda: ask("SELECT count(*) FROM orders WHERE time BETWEEN ? AND ?", day, datetime.date(2025, 1, 1), conn=connect(**options)))
        check(f"{program}, limit", lambda: ask("SELECT order_id FROM orders ORDER BY order_id LIMIT ? OFFSET ?", 2, 3, conn=connect(**options)))
        check(f"{program}, in a list", lambda: ask("SELECT count(*) FROM orders WHERE channel IN (?, ?, ?)", "email", "direct", None, conn=connect(**options)))
        check(f"{program}, in functions", lambda: ask("SELECT left(?, ?), coalesce(?, 'none'), date_trunc(?, time)::text FROM orders ORDER BY time LIMIT 1", "abcdef", 3, None, "month", conn=connect(**options)))
        check(f"{program}, like", lambda: ask("SELECT count(*) FROM events WHERE name LIKE ?", "page%", conn=connect(**options)))
        check(f"{program}, many times", lambda: [ask("SELECT ? + 1", number, conn=connections[program]) for number in range(8)])
    check("escapes of ODBC", lambda: ask("SELECT {d '2024-02-29'}, {ts '2024-02-29 03:04:05'}, {fn ucase('a')}, {fn length('abc')}, {fn concat('a', 'b')}, {fn year({d '2024-02-29'})}, {fn ifnull(NULL, 'x')}"))
    check("an outer join of ODBC", lambda: ask("SELECT count(*) FROM {oj orders o LEFT OUTER JOIN customers c ON c.customer_id = o.customer_id}"))
    check("a question mark in a text", lambda: ask("SELECT '?', ?", 1, conn=connect()))


def portions():
    part("portions of rows by cursors, and large values")
    for program, conn in connections.items():
        check(f"{program}, all rows", lambda: (lambda told: [len(told), told[0], told[-1]])(ask("SELECT order_id, channel FROM orders ORDER BY order_id", conn=conn)))
        check(f"{program}, part of them", lambda: (lambda cursor: [list(map(list, cursor.fetchmany(10))), cursor.close()])(conn.execute("SELECT x, x::text FROM generate_series(1, 100) AS t (x)")))
        check(f"{program}, two at once", lambda: two(conn))
        check(f"{program}, skip", lambda: (lambda cursor: [cursor.skip(15), list(cursor.fetchone())])(conn.execute("SELECT x FROM generate_series(1, 100) AS t (x)")))
        check(f"{program}, none", lambda: ask("SELECT order_id FROM orders WHERE false", conn=conn))
        check(f"{program}, a with", lambda: ask("WITH a AS (SELECT x FROM generate_series(1, 20) AS t (x)) SELECT count(*), max(x) FROM a", conn=conn))
        check(f"{program}, a large text", lambda: len(ask("SELECT repeat('\u20ac', 100000)", conn=conn)[0][0]))
        check(f"{program}, large bytes", lambda: len(ask("SELECT decode(repeat('00ff', 100000), 'hex')", conn=conn)[0][0]))
        refused(f"{program}, an error inside of the rows", lambda: ask("SELECT 10 / (x - 15) FROM generate_series(1, 30) AS t (x)", conn=conn))


def two(conn):
    first, second = conn.cursor(), conn.cursor()
    first.execute("SELECT x FROM generate_series(1, 20) AS t (x)")
    second.execute("SELECT -x FROM generate_series(1, 20) AS t (x)")
    return [[first.fetchone()[0], second.fetchone()[0]] for _ in range(20)]


def transactions():
    part("transactions")
    for program, options in PROGRAMS.items():
        conn = connect(autocommit=False, **options)
        check(f"{program}, commit and roll back", lambda: [ask("SELECT 1", conn=conn), conn.commit(), ask("SELECT 2", conn=conn), conn.rollback(), ask("SELECT 3", conn=conn)])
        refused(f"{program}, an error", lambda: ask("SELECT 1 / 0", conn=conn))
        check(f"{program}, goes on when rolled back", lambda: [conn.rollback(), ask("SELECT 4", conn=conn)])
        check(f"{program}, local setting", lambda: [ask("SET LOCAL timezone = 'Asia/Tokyo'", conn=conn), ask("SHOW timezone", conn=conn), conn.commit(), ask("SHOW timezone", conn=conn)])
        conn.close()
    for protocol in ("7.4-0", "7.4-1", "7.4-2"):
        conn = connect(autocommit=False, Protocol=protocol)
        check(f"{protocol}, behind an error of a statement", lambda: behind(conn))
        conn.close()
    for level in ("SQL_TXN_READ_COMMITTED", "SQL_TXN_REPEATABLE_READ", "SQL_TXN_SERIALIZABLE"):
        conn = connect()
        check(level, lambda: [conn.set_attr(pyodbc.SQL_ATTR_TXN_ISOLATION, getattr(pyodbc, level)), ask("SHOW transaction_isolation", conn=conn)])
        conn.close()


def behind(conn):
    """What the driver does of a block that has failed: nothing, all of it, or the statement."""
    told = [ask("SELECT 1", conn=conn)]
    for query in ("SELECT nothing", "SELECT 2"):
        try:
            told.append(ask(query, conn=conn))
        except pyodbc.Error as error:
            told.append(error.args[0])
    return told


def errors():
    part("errors with SQLSTATE")
    for name, query in {
        "syntax": "SELEC 1", "table": "SELECT 1 FROM nothing", "column": "SELECT emial FROM customers", "function": "SELECT nothing(1)", "cast": "SELECT '1x'::int", "range": "SELECT 2147483647 + 1", "division": "SELECT 1 / 0", "grouping": "SELECT status, count(*) FROM orders",
        "ambiguous": "SELECT customer_id FROM orders, customers", "types": "SELECT 'a'::text = 1", "no such day": "SELECT '2024-02-30'::date", "subquery": "SELECT (SELECT x FROM generate_series(1, 2) AS t (x))", "setting": "SET nothing_at_all = 1", "cursor": "FETCH 1 FROM nothing", "schema": "SELECT 1 FROM nowhere.orders",
    }.items():
        for program in ("as it comes", "as Excel", "as Tableau"):
            refused(f"{program}, {name}", lambda: ask(query, conn=connections[program]))
    refused("text that is no number", lambda: ask("SELECT count(*) FROM customer_360 WHERE orders = ?", "many", conn=connect()))
    refused("too few parameters", lambda: ask("SELECT $1::int, $2::int"))


def stopping():
    part("timeouts and cancellation")
    for program in ("as it comes", "as Tableau"):
        conn = connect(**PROGRAMS[program])
        ask("SET statement_timeout = 100", conn=conn)
        refused(f"{program}, timeout", lambda: ask(ENDLESS, conn=conn))
        check(f"{program}, goes on", lambda: [ask("SET statement_timeout = 0", conn=conn), ask("SELECT 1", conn=conn)][1])
        conn.close()
        refused(f"{program}, cancel", lambda: cancelled(connect(**PROGRAMS[program])))


def cancelled(conn):
    cursor, ended = conn.cursor(), threading.Event()

    def cancel():
        while not ended.wait(0.05):
            cursor.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        return rows(cursor.execute(ENDLESS))
    finally:
        ended.set()
        thread.join()


def tools():
    part("queries of Tableau, Excel and LibreOffice")
    tableau, excel = connections["as Tableau"], connections["as Excel"]
    check("Tableau, a view of a sheet", lambda: ask('SELECT "orders"."channel" AS "channel", SUM("orders"."amount") AS "sum:amount:ok", DATE_TRUNC( \'QUARTER\', CAST("orders"."time" AS TIMESTAMP) ) AS "tqr:time:ok" FROM "public"."orders" "orders" GROUP BY 1, 3 ORDER BY 3, 1', conn=tableau))
    check("Tableau, number of rows", lambda: ask('SELECT COUNT(1) AS "cnt:orders:ok" FROM "public"."orders" "orders" HAVING (COUNT(1) > 0)', conn=tableau))
    check("Tableau, a filter that may be null", lambda: ask('SELECT "orders"."status" AS "status", CAST(TRUNC(EXTRACT(YEAR FROM "orders"."time")) AS INTEGER) AS "yr:time:ok", COUNT(DISTINCT "orders"."customer_id") AS "ctd" FROM "public"."orders" "orders" WHERE (NOT (("orders"."channel" IS NOT DISTINCT FROM \'email\'))) GROUP BY 1, 2 ORDER BY 2, 1', conn=tableau))
    refused("Tableau, probe for temporary tables", lambda: ask('CREATE LOCAL TEMPORARY TABLE "#Tableau_1_Connect_Check" ("COL" INTEGER) ON COMMIT PRESERVE ROWS; SELECT 1 / 0', conn=tableau))
    check("Excel, a table", lambda: (lambda told: [len(told), told[0]])(ask('SELECT * FROM "perennial"."public"."segments" ORDER BY 1', conn=excel)))
    check("Excel, Microsoft Query", lambda: ask("SELECT orders.status, count(orders.order_id) FROM perennial.public.orders orders, perennial.public.customers customers WHERE orders.customer_id = customers.customer_id AND ((orders.time>={ts '2024-01-01 00:00:00'})) GROUP BY orders.status ORDER BY orders.status", conn=excel))
    check("LibreOffice, first rows", lambda: ask('SELECT * FROM "public"."segments" WHERE 0 = 1', conn=connections["as LibreOffice"]))
    check("LibreOffice, a query", lambda: ask('SELECT "channel" AS "Channel", SUM( "amount" ) AS "Total" FROM "public"."orders" AS "orders" WHERE "paid" = TRUE GROUP BY "channel" ORDER BY "Total" DESC', conn=connections["as LibreOffice"]))


client("psqlODBC", connection.getinfo(pyodbc.SQL_DRIVER_VER))
for exercise in (drivers, catalogs, values, parameters, portions, transactions, errors, stopping, tools):
    exercise()
done()
