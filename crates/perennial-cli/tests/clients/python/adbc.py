"""ADBC, by which Arrow programs read: everything comes as binary COPY and the types of columns from the catalog."""

from transcript import ENDLESS, check, client, done, part, url

import datetime

import adbc_driver_postgresql
import adbc_driver_postgresql.dbapi as dbapi

connection = dbapi.connect(url(), autocommit=True)


def table(query, parameters=None, conn=None):
    with (conn or connection).cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetch_arrow_table()


def told(query, parameters=None):
    """Types and rows."""
    answer = table(query, parameters)
    return [{field.name: str(field.type) for field in answer.schema}, [list(row.values()) for row in answer.to_pylist()]]


def types():
    part("Arrow types of every type served")
    for kind, value in [
        ("bool", "true"), ("int2", "'-32768'"), ("int4", "2147483647"), ("int8", "'-9223372036854775808'"), ("float4", "0.5"), ("float8", "'NaN'"), ("numeric", "12345678901234567890.1234"), ("numeric(18,4)", "-0.0010"),
        ("text", "E'a\\tb \u20ac'"), ("varchar", "''"), ("char(3)", "'ab'"), ("name", "'orders'"), ("bytea", "'\\x00ff'"), ("date", "'2024-02-29'"), ("time", "'23:59:59.999999'"), ("timestamp", "'2024-02-29 03:04:05.678901'"),
        ("timestamptz", "'2024-02-29 03:04:05+05:30'"), ("interval", "'1 year 2 days 03:04:05.5'"), ("json", "'{\"a\": 1}'"), ("jsonb", "'{\"a\": 1}'"), ("uuid", "'12345678-1234-5678-9abc-def012345678'"), ("oid", "1259"),
        ("int4[]", "'{1,NULL,3}'"), ("int8[]", "'{}'"), ("text[]", "ARRAY['a', 'b \"c', NULL, '']"), ("float8[]", "'{0.5}'"), ("bool[]", "'{t,f}'"), ("date[]", "'{2024-02-29}'"), ("timestamptz[]", "'{2024-02-29 03:04:05+00}'"), ("numeric[]", "'{1.50}'"),
    ]:
        check(kind, lambda: told(f"SELECT {value}::{kind} AS v, NULL::{kind} AS nothing"))
    for relation, order in [("segments", "segment"), ("products", "product_id"), ("orders", "order_id"), ("customer_360", "customer_id"), ("lifecycle_history", "customer_id, entered_at, stage"), ("cohort_retention_monthly", "cohort, period"), ("raw.shop_orders", "1")]:
        check(f"first rows of {relation}", lambda: told(f"SELECT * FROM {relation} ORDER BY {order} LIMIT 2"))
    check("all events", lambda: [(events := table("SELECT * FROM events ORDER BY record_key")).num_rows, events.num_columns, sum(map(len, events["record_key"].to_pylist()))])


def reading():
    part("reading in batches, and what else a cursor gives")
    with connection.cursor() as cursor:
        cursor.execute("SELECT segment, members, 0.5::float8 AS half FROM segments ORDER BY 1")
        check("description", lambda: [[column[0], str(column[1])] for column in cursor.description])
        check("fetchone", cursor.fetchone)
        check("fetchmany", lambda: cursor.fetchmany(1))
        check("fetchall", cursor.fetchall)
        check("rowcount of rows", lambda: cursor.execute("SELECT 1 WHERE false") and None or cursor.fetchall())
        check("batches", lambda: cursor.execute("SELECT x FROM generate_series(1, 100000) AS t (x)") and None or sum(batch.num_rows for batch in cursor.fetch_record_batch()))
        check("small batches", lambda: small(cursor))
        check("schema before it runs", lambda: str(cursor.adbc_execute_schema("SELECT order_id, amount, time, paid FROM orders")).splitlines())
        check("schema with parameters", lambda: str(cursor.adbc_prepare("SELECT $1::int + 1 AS a, $2::text AS b")).splitlines())
        check("parameters", lambda: told("SELECT count(*) FROM orders WHERE channel = $1 AND amount > $2::float8", ("email", 20.5)))
        check("a parameter of each type", lambda: told("SELECT $1::int8, $2::text, $3::bool, $4::float8, $5::date, $6::timestamptz, $7::bytea", (1, "a", True, 0.5, datetime.date(2024, 2, 29), datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc), b"\0")))
        check("a parameter that is null", lambda: told("SELECT $1::text IS NULL", (None,)))
        check("a list", lambda: told("SELECT count(*) FROM orders WHERE channel = ANY($1)", (["email", "direct"],)))
        check("copy is not needed", lambda: without_copy(cursor))
        check("no rows", lambda: told("SELECT * FROM orders WHERE false"))
        check("setting", lambda: cursor.execute("SET timezone = 'Europe/Berlin'") and None or told("SELECT '2024-07-01 00:00'::timestamptz::text AS t"))
        cursor.execute("RESET timezone")


def small(cursor):
    cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": "2000"})
    cursor.execute("SELECT record_key FROM events ORDER BY 1")
    batches = [batch.num_rows for batch in cursor.fetch_record_batch()]
    return [len(batches) > 2, sum(batches)]


def without_copy(cursor):
    cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
    cursor.execute("SELECT order_id, amount, time, paid FROM orders ORDER BY 1 LIMIT 2")
    rows = cursor.fetchall()
    cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "true"})
    return rows


def metadata():
    part("objects of the catalog")

    def objects(**options):
        answer = connection.adbc_get_objects(**options).read_all().to_pylist()
        return sorted([schema["db_schema_name"], sorted(map(table_of, schema["db_schema_tables"] or []), key=repr)]
                      for catalog in answer for schema in catalog["catalog_db_schemas"] or [] if not schema["db_schema_name"].startswith("pg_"))

    def table_of(told):
        constraints = sorted(([c["constraint_name"], c["constraint_type"], c["constraint_column_names"],
                               [[u["fk_db_schema"], u["fk_table"], u["fk_column_name"]] for u in c["constraint_column_usage"] or []]] for c in told["table_constraints"] or []), key=repr)
        columns = [[c["column_name"], c["ordinal_position"], c["remarks"], c["xdbc_type_name"], c["xdbc_nullable"]] for c in told["table_columns"] or []]
        return [told["table_name"], told["table_type"], columns, constraints]

    check("catalogs", lambda: [catalog["catalog_name"] for catalog in connection.adbc_get_objects(depth="catalogs").read_all().to_pylist() if catalog["catalog_name"] == "perennial"])
    check("schemas", lambda: objects(depth="db_schemas", catalog_filter="perennial"))
    for schema in ("public", "raw", "perennial"):
        check(f"tables of {schema}", lambda: objects(depth="tables", catalog_filter="perennial", db_schema_filter=schema, table_types_filter=["table", "view"]))
        check(f"columns of {schema}", lambda: objects(depth="all", catalog_filter="perennial", db_schema_filter=schema, table_types_filter=["table", "view"]))
    check("columns by name", lambda: objects(depth="columns", db_schema_filter="public", table_name_filter="orders", column_name_filter="%amount"))
    check("schema of a table", lambda: str(connection.adbc_get_table_schema("customer_360")).splitlines())
    check("schema of a view", lambda: str(connection.adbc_get_table_schema("lifecycle_funnel", db_schema_filter="public")).splitlines())
    check("kinds of tables", lambda: sorted(connection.adbc_get_table_types()))
    check("info", lambda: [connection.adbc_get_info()["vendor_name"], connection.adbc_get_info()["vendor_version"].split(".")[0][:2], connection.adbc_current_catalog, connection.adbc_current_db_schema])
    check("schema of no table", lambda: state_of(lambda: connection.adbc_get_table_schema("nothing")))


def transactions():
    part("transactions, errors and cancellation")
    with dbapi.connect(url()) as conn:
        check("a transaction", lambda: [told_in(conn, "SELECT 1"), conn.commit(), told_in(conn, "SELECT 2"), conn.rollback()])

        def failed():
            codes = []
            for query in ("SELECT 1 / 0", "SELECT 1"):
                try:
                    told_in(conn, query)
                except dbapi.Error as error:
                    codes.append(error.sqlstate)
            conn.rollback()
            return codes + [told_in(conn, "SELECT 3")]

        check("a failed transaction", failed)
        conn.rollback()
    for name, query in [("syntax", "SELEC 1"), ("column", "SELECT nothing FROM orders"), ("table", "SELECT * FROM nothing"), ("division", "SELECT 1 / (x - 5) FROM generate_series(1, 9) AS t (x)"), ("number", "SELECT 'a'::int")]:
        check(f"error of {name}", lambda: state_of(lambda: told(query)))
    check("a timeout", lambda: timed_out())
    check("wrong schema of the path", lambda: [adbc_path("raw"), told("SELECT count(*) FROM orders")[1]])


def told_in(conn, query):
    return table(query, conn=conn).to_pylist()


def state_of(ask):
    try:
        return ask()
    except dbapi.Error as error:
        return [type(error).__name__, error.sqlstate]


def timed_out():
    with dbapi.connect(url(options="-cstatement_timeout=50"), autocommit=True) as conn:
        try:
            return told_in(conn, ENDLESS)
        except dbapi.Error as error:
            return [error.sqlstate, told_in(conn, "SELECT 1 AS a")]


def adbc_path(schema):
    with dbapi.connect(url(), autocommit=True) as conn:
        conn.adbc_current_db_schema = schema
        return [conn.adbc_current_db_schema, table("SELECT count(*) AS n FROM shop_orders", conn=conn).to_pylist()]


def analysis():
    part("analytical queries into Arrow")
    for name, query in [
        ("months", "SELECT date_trunc('month', time) AS month, channel, count(*) AS n, sum(amount)::float8 AS revenue FROM orders WHERE time >= '2026-01-01' GROUP BY 1, 2 ORDER BY 1, 2 NULLS FIRST"),
        ("running total", "SELECT time::date AS day, sum(count(*)) OVER (ORDER BY time::date) AS total FROM orders WHERE time >= '2026-06-01' GROUP BY 1 ORDER BY 1"),
        ("averages", "SELECT lifecycle_stage, avg(net_revenue) AS mean, stddev(net_revenue::float8) IS NOT NULL AS spread, min(last_order_at) AS first FROM customer_360 GROUP BY 1 ORDER BY 1"),
        ("lists", "SELECT country, array_agg(DISTINCT city ORDER BY city) AS cities FROM customers WHERE country IS NOT NULL AND city IS NOT NULL GROUP BY 1 ORDER BY 1"),
        ("time in stages", "SELECT stage, count(*) AS n, max(left_at - entered_at) AS longest FROM lifecycle_history GROUP BY 1 ORDER BY 1"),
    ]:
        check(name, lambda: told(query))


client("ADBC", adbc_driver_postgresql.__version__)
for exercise in (types, reading, metadata, transactions, analysis):
    exercise()
connection.close()
done()
