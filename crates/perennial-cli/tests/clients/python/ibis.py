"""ibis: tables of the server as expressions, whose SQL ibis writes and whose schema it asks the server for."""

from transcript import check, client, done, part, refused

import datetime
import os

import ibis
from ibis import _

connection = ibis.postgres.connect(host=os.environ["PGHOST"], port=int(os.environ["PGPORT"]), user=os.environ["PGUSER"], password=os.environ["PGPASSWORD"], database=os.environ["PGDATABASE"])


def rows(expression, limit=20):
    """The schema that ibis expects, and rows."""
    frame = expression.limit(limit).to_pandas() if hasattr(expression, "limit") else expression.to_pandas()
    if not hasattr(frame, "columns"):
        return frame
    frame = frame.astype(object)
    return [{name: str(kind) for name, kind in expression.schema().items()}, frame.where(frame.notna(), None).values.tolist()]


def schemas():
    part("catalogs, tables and their schemas")
    check("current", lambda: [connection.current_catalog, connection.current_database])
    check("catalogs", lambda: "perennial" in connection.list_catalogs())
    check("databases", lambda: [name for name in sorted(connection.list_databases()) if not name.startswith("pg_t")])
    for schema in ("public", "raw", "perennial"):
        check(f"tables of {schema}", lambda: sorted(connection.list_tables(database=schema)))
        check(f"schemas of {schema}", lambda: {name: {column: str(kind) for column, kind in connection.get_schema(name, database=schema).items()} for name in sorted(connection.list_tables(database=schema))})
    check("tables like", lambda: sorted(connection.list_tables(like="^order")))
    check("version", lambda: connection.version.split(".")[0][:2])


def expressions():
    part("expressions that the server runs")
    ibis.set_backend(connection)
    orders, customers, events, products = (connection.table(name, database="public") for name in ("orders", "customer_360", "events", "products"))
    history, members = connection.table("lifecycle_history", database="public"), connection.table("segment_members", database="public")
    since = datetime.datetime(2025, 1, 1, tzinfo=datetime.timezone.utc)
    w = ibis.window(group_by="customer_id", order_by=["time", "order_id"])
    checks = {
        "count": lambda: orders.count(),
        "filter": lambda: orders.filter((_.amount > 20) & _.paid & (_.time >= since)).order_by("order_id").select("order_id", "amount", "time"),
        "group": lambda: customers.group_by("lifecycle_stage").agg(n=_.count(), revenue=_.net_revenue.sum(), mean=_.recency_days.mean(), most=_.orders.max()).order_by("lifecycle_stage"),
        "truncate to months": lambda: orders.group_by(month=_.time.truncate("M")).agg(n=_.count(), revenue=_.amount.sum()).order_by("month"),
        "truncate to weeks": lambda: orders.group_by(week=_.time.truncate("W")).agg(n=_.count()).order_by(ibis.desc("week")),
        "truncate to quarters": lambda: orders.group_by(quarter=_.time.truncate("Q")).agg(n=_.count()).order_by("quarter"),
        "join": lambda: orders.join(customers, "customer_id").group_by("country").agg(n=_.count(), buyers=_.customer_id.nunique()).order_by(ibis.asc("country", nulls_first=True)),
        "left join": lambda: customers.left_join(members, "customer_id").filter(_.segment.notnull()).select("customer_id", "segment").order_by("segment", "customer_id"),
        "anti join": lambda: customers.anti_join(orders, "customer_id").count(),
        "semi join": lambda: customers.semi_join(orders.filter(_.channel == "email"), "customer_id").count(),
        "row number": lambda: orders.mutate(n=ibis.row_number().over(w)).filter(_.n == 1).order_by("order_id").select("order_id", "n"),
        "lag": lambda: orders.mutate(gap=_.time.epoch_seconds() - _.time.lag().over(w).epoch_seconds()).filter(_.gap.notnull()).agg(most=_.gap.max(), least=_.gap.min()),
        "running total": lambda: orders.mutate(total=_.amount.sum().over(ibis.cumulative_window(group_by="customer_id", order_by=["time", "order_id"]))).order_by("order_id").select("order_id", "total"),
        "rank": lambda: products.mutate(r=ibis.rank().over(ibis.window(group_by="category", order_by=ibis.desc("price")))).order_by("category", "r", "name").select("category", "name", "r"),
        "ntile": lambda: customers.filter(_.net_revenue > 0).mutate(q=ibis.ntile(4).over(ibis.window(order_by=["net_revenue", "customer_id"]))).group_by("q").agg(n=_.count(), most=_.net_revenue.max()).order_by("q"),
        "quantile": lambda: orders.agg(half=_.amount.cast("float64").median(), most=_.amount.cast("float64").quantile(0.9)),
        "moments": lambda: orders.agg(deviation=_.amount.cast("float64").std().round(6), variance=_.amount.cast("float64").var().round(6)),
        "texts": lambda: products.select(a=_.name.upper(), b=_.name.length(), c=_.name.substr(0, 3), d=_.name.replace("o", "0"), e=_.name.contains("Moka"), f=_.name.split(" ")[0], g=_.name.re_search("^[A-C]"), h=_.name.lpad(5, "*"), i=_.name.reverse()).order_by("a"),
        "like": lambda: products.filter(_.name.ilike("%kettle%")).count(),
        "dates": lambda: orders.select("order_id", y=_.time.year(), m=_.time.month(), d=_.time.day(), h=_.time.hour(), w=_.time.day_of_week.index(), q=_.time.quarter(), n=_.time.day_of_year(), t=_.time.date(), f=_.time.strftime("%Y-%m-%d")).order_by("order_id"),
        "intervals": lambda: orders.filter(_.time > ibis.timestamp("2026-07-01 00:00:00+00:00") - ibis.interval(days=30)).count(),
        "case": lambda: customers.group_by(size=ibis.cases((_.orders == 0, "none"), (_.orders < 3, "few"), else_="many")).agg(n=_.count()).order_by("size"),
        "coalesce": lambda: customers.group_by(country=_.country.coalesce("?")).agg(n=_.count()).order_by("country"),
        "is in": lambda: orders.filter(_.channel.isin(["email", "direct"])).count(),
        "arrays": lambda: customers.select("customer_id", n=_.sources.length(), has=_.sources.contains("shop_orders"), first=_.sources[0]).order_by("customer_id"),
        "unnest": lambda: customers.select(source=_.sources.unnest()).group_by("source").agg(n=_.count()).order_by("source"),
        "collect": lambda: products.group_by("category").agg(ids=_.product_id.collect(order_by="product_id")).order_by("category"),
        "concatenated": lambda: products.group_by("category").agg(ids=_.product_id.group_concat(",", order_by="product_id")).order_by("category"),
        "union": lambda: orders.select("channel").distinct().union(events.select("channel").distinct(), distinct=True).order_by(ibis.asc("channel", nulls_first=True)),
        "difference": lambda: customers.select(id=_.email).difference(orders.select(id=_.customer_id)).count(),
        "filtered aggregates": lambda: orders.agg(paid=_.count(where=_.paid), refunded=_.amount.sum(where=_.refunded > 0), channels=_.channel.nunique(where=_.paid)),
        "numbers": lambda: products.select("product_id", a=_.price.round(1), b=_.price.floor(), c=(_.price / 3).cast("float64").round(6), d=_.price.cast("float64").log10().round(6), e=_.price.cast("int64") % 7, f=_.price.cast("int64") // 7).order_by("product_id"),
        "histogram": lambda: products.group_by(bucket=_.price.cast("float64").bucket([0, 10, 20, 50, 100])).agg(n=_.count()).order_by(ibis.asc("bucket", nulls_first=True)),
        "top": lambda: orders.filter(_.channel.notnull()).channel.topk(3),
        "pivot": lambda: orders.filter(_.channel.isin(["email", "direct"])).pivot_wider(id_cols="status", names_from="channel", values_from="amount", names=["email", "direct"], values_agg="sum").order_by("status"),
        "argmax": lambda: orders.filter(_.channel.notnull()).group_by("channel").agg(best=_.order_id.argmax(_.amount)).order_by("channel"),
        "a view": lambda: connection.table("cohort_retention_monthly", database="public").filter(_.period == 1).order_by("cohort").select("cohort", "value", "ratio"),
        "another schema": lambda: connection.table("shop_orders", database="raw").group_by("state").agg(n=_.count(), total=_.total_cents.sum()).order_by("state"),
        "now": lambda: ibis.now().date() >= ibis.date("2024-01-01"),
        "stages at a time": lambda: history.filter((_.entered_at <= since) & ((_.left_at > since) | _.left_at.isnull())).group_by("stage").agg(n=_.count()).order_by("stage"),
    }
    for name, expression in checks.items():
        check(name, lambda: rows(expression()))


def outputs():
    part("results as Arrow, batches and scalars")
    orders = connection.table("orders", database="public").order_by("order_id")
    check("a table of the current schema", lambda: connection.table("orders").count().to_pandas())
    check("arrow", lambda: [(table := orders.select("order_id", "amount", "time", "paid").limit(3).to_pyarrow()).schema.to_string(), table.to_pylist()])
    check("batches", lambda: sum(batch.num_rows for batch in orders.to_pyarrow_batches(chunk_size=100)))
    check("polars", lambda: orders.select("order_id", "paid").limit(2).to_polars().rows())
    check("scalar", lambda: orders.amount.sum().to_pandas())
    check("raw sql", lambda: raw("SELECT count(*) FROM orders"))
    refused("no table", lambda: raw("SELECT * FROM nothing"))
    check("a table that is not there", lambda: absent())


def raw(query):
    with connection.raw_sql(query) as cursor:
        return cursor.fetchall()


def absent():
    try:
        return connection.table("nothing")
    except ibis.common.exceptions.TableNotFound as error:
        return str(error)


client("ibis", ibis.__version__)
schemas()
expressions()
outputs()
done()
