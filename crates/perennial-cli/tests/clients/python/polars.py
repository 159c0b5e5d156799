"""polars: frames by connectorx and by ADBC, in partitions, and lazily through a connection that is open."""

from transcript import check, client, done, part, refused, url

import adbc_driver_postgresql.dbapi
import polars
import psycopg
import sqlalchemy

QUERIES = {
    "orders": "SELECT order_id, customer_id, time, amount::float8 AS amount, channel, campaign, paid FROM orders ORDER BY order_id",
    "customers": "SELECT customer_id, birth_date, country, orders, recency_days, last_order_at FROM customer_360 ORDER BY customer_id",
    "months": "SELECT date_trunc('month', time) AS month, channel, count(*) AS n, sum(amount)::float8 AS revenue FROM orders GROUP BY 1, 2 ORDER BY 1, 2 NULLS LAST",
    "money": "SELECT order_id, amount, refunded, cost FROM orders ORDER BY order_id",
    "stages": "SELECT stage, count(*) AS n, min(entered_at) AS first, avg(extract(epoch FROM left_at - entered_at))::float8 AS mean FROM lifecycle_history GROUP BY 1 ORDER BY 1",
    "funnel": "SELECT * FROM lifecycle_funnel ORDER BY position",
    "sessions": "SELECT customer_id, time, time - lag(time) OVER (PARTITION BY customer_id ORDER BY time) > interval '30 minutes' AS starts FROM events ORDER BY 1, 2 LIMIT 50",
}


def told(frame):
    """Types of columns, the number of rows, the first and the last."""
    return [{name: str(kind) for name, kind in frame.schema.items()}, frame.height, frame.head(2).rows(), frame.tail(2).rows()]


def by_uri(engine):
    part(f"read_database_uri with {engine}")
    read = lambda query, **options: polars.read_database_uri(query, url(), engine=engine, **options)
    for name, query in QUERIES.items():
        check(f"{engine} {name}", lambda: told(read(query)))
    check(f"{engine} overrides", lambda: told(read("SELECT members FROM segments ORDER BY 1", schema_overrides={"members": polars.Int32})))
    check(f"{engine} arrays", lambda: told(read("SELECT customer_id, sources FROM customer_360 ORDER BY 1")))


def by_partitions():
    part("partitions")
    check("several queries", lambda: told(polars.read_database_uri([f"SELECT order_id, paid FROM orders WHERE channel = '{channel}'" for channel in ("email", "direct")], url()).sort("order_id")))
    for number in (2, 5):
        check(f"{number} partitions", lambda: told(polars.read_database_uri("SELECT customer_id, orders, net_revenue::float8 AS revenue FROM customer_360", url(), partition_on="orders", partition_num=number).sort("customer_id")))
    check("csv protocol", lambda: told(polars.read_database_uri(QUERIES["orders"], url(), protocol="csv")))
    check("cursor protocol", lambda: told(polars.read_database_uri(QUERIES["orders"], url(), protocol="cursor")))


def by_connection():
    part("read_database with an open connection")
    connections = {"adbc": adbc_driver_postgresql.dbapi.connect(url()), "sqlalchemy": sqlalchemy.create_engine(url("postgresql+psycopg")).connect(), "psycopg": psycopg.connect()}
    for kind, connection in connections.items():
        for name in ("months", "money", "stages"):
            check(f"{kind} connection {name}", lambda: told(polars.read_database(QUERIES[name], connection)))
        if kind != "adbc":
            refused(f"{kind} connection no column", lambda: polars.read_database("SELECT nothing FROM orders", connection))
            connection.rollback()
    check("batches", lambda: [frame.height for frame in polars.read_database("SELECT * FROM events ORDER BY time", connections["sqlalchemy"], iter_batches=True, batch_size=2000)])
    check("parameters", lambda: told(polars.read_database("SELECT order_id FROM orders WHERE channel = :channel ORDER BY 1", connections["sqlalchemy"], execute_options={"parameters": {"channel": "email"}})))
    check("computed alike", computed)
    for connection in connections.values():
        connection.close()


def computed():
    """polars and the server agree about the same question."""
    orders = polars.read_database_uri("SELECT channel, amount::float8 AS amount, time FROM orders WHERE channel IS NOT NULL", url())
    here = orders.group_by("channel").agg(polars.len().alias("n"), polars.col("amount").median().alias("median")).sort("channel")
    there = polars.read_database_uri("SELECT channel, count(*) AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY amount::float8) AS median FROM orders WHERE channel IS NOT NULL GROUP BY 1 ORDER BY 1", url())
    return here.select("channel", polars.col("n").cast(polars.Int64)).equals(there.select("channel", "n")) and (here["median"] - there["median"]).abs().max() < 1e-9


client("polars", polars.__version__)
by_uri("connectorx")
by_uri("adbc")
by_partitions()
by_connection()
done()
