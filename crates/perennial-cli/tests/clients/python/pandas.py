"""pandas: frames from queries by SQLAlchemy and by ADBC, with the types of columns that an analyst goes on with."""

from transcript import check, client, done, part, refused, url

import datetime

import adbc_driver_postgresql.dbapi
import pandas
import sqlalchemy

QUERIES = {
    "orders": "SELECT order_id, customer_id, time, amount, channel, campaign, paid FROM orders ORDER BY order_id",
    "customers": "SELECT customer_id, birth_date, country, orders, net_revenue, recency_days, last_order_at, sources FROM customer_360 ORDER BY customer_id",
    "months": "SELECT date_trunc('month', time) AS month, count(*) AS n, sum(amount)::float8 AS revenue, avg(amount)::float8 AS mean FROM orders GROUP BY 1 ORDER BY 1",
    "pivoted": "SELECT country, count(*) FILTER (WHERE lifecycle_stage = 'loyalty') AS loyal, count(*) FILTER (WHERE lifecycle_stage = 'lapsed') AS lapsed FROM customer_360 GROUP BY 1 ORDER BY 1 NULLS LAST",
    "events of days": "SELECT time::date AS day, name, count(*) AS n FROM events WHERE time >= '2026-05-01' GROUP BY 1, 2 ORDER BY 1, 2",
    "nothing": "SELECT * FROM refunds WHERE false",
    "retention": "SELECT cohort, period, value, ratio, complete FROM cohort_retention_monthly ORDER BY cohort, period",
    "types": "SELECT 1::int2 AS a, 2 AS b, 3::int8 AS c, 0.5::float4 AS d, 'NaN'::float8 AS e, 1.50 AS f, true AS g, NULL AS h, 'x' AS i, '\\x00ff'::bytea AS j, interval '1 day 2 hours' AS k, time '03:04:05' AS l, ARRAY[1, 2] AS m",
}


def told(frame):
    """Types of columns, the number of rows, the first and the last."""
    rows = frame.astype(object).where(frame.notna(), None).values.tolist() if not frame.empty else []
    return [{name: str(kind) for name, kind in frame.dtypes.items()}, len(frame), rows[:2], rows[-2:]]


def by_sqlalchemy(driver):
    part(f"read_sql by SQLAlchemy with {driver}")
    engine = sqlalchemy.create_engine(url(f"postgresql+{driver}"))
    with engine.connect() as connection:
        for name, query in QUERIES.items():
            check(f"{driver} {name}", lambda: told(pandas.read_sql(query, connection)))
        check(f"{driver} parameters", lambda: told(pandas.read_sql(sqlalchemy.text("SELECT order_id, amount FROM orders WHERE channel = :channel AND time >= :since ORDER BY 1"), connection, params={"channel": "email", "since": datetime.datetime(2026, 1, 1)})))
        check(f"{driver} index and dates", lambda: told(pandas.read_sql("SELECT order_id, time::text AS time, amount FROM orders ORDER BY 1", connection, index_col="order_id", parse_dates=["time"], coerce_float=True)))
        check(f"{driver} portions", lambda: [len(frame) for frame in pandas.read_sql("SELECT * FROM events ORDER BY time", connection.execution_options(stream_results=True), chunksize=2000)])
        check(f"{driver} a table", lambda: told(pandas.read_sql_table("segments", engine, schema="public", columns=["segment", "members"]).sort_values("segment")))
        check(f"{driver} a table of raw", lambda: sorted(pandas.read_sql_table("ads_spend", engine, schema="raw").columns))
        check(f"{driver} types of Arrow", lambda: told(pandas.read_sql(QUERIES["months"], engine, dtype_backend="pyarrow")))
        check(f"{driver} types with nulls", lambda: told(pandas.read_sql("SELECT orders, recency_days, country FROM customer_360 ORDER BY customer_id", engine, dtype_backend="numpy_nullable")))
        refused(f"{driver} no column", lambda: pandas.read_sql("SELECT nothing FROM orders", engine))
    check(f"{driver} grouped by pandas as by the server", lambda: grouped(engine))
    engine.dispose()


def grouped(engine):
    orders = pandas.read_sql("SELECT channel, amount::float8 AS amount FROM orders WHERE channel IS NOT NULL", engine)
    server = pandas.read_sql("SELECT channel, sum(amount)::float8 AS amount FROM orders WHERE channel IS NOT NULL GROUP BY 1 ORDER BY 1", engine, index_col="channel")
    return bool((orders.groupby("channel").amount.sum().round(4) == server.amount.round(4)).all())


def by_adbc():
    part("read_sql by ADBC")
    with adbc_driver_postgresql.dbapi.connect(url()) as connection:
        for name, query in QUERIES.items():
            check(f"adbc {name}", lambda: told(pandas.read_sql(query, connection)))
        check("adbc types of Arrow", lambda: told(pandas.read_sql(QUERIES["orders"], connection, dtype_backend="pyarrow")))
        check("adbc a table", lambda: told(pandas.read_sql_table("segments", connection).sort_values("segment")))


client("pandas", pandas.__version__)
for driver in ("psycopg", "psycopg2"):
    by_sqlalchemy(driver)
by_adbc()
done()
