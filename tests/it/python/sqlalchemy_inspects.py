"""What tools do with SQLAlchemy 2: `sqlalchemy_inspects.py <url>` prints `done`, or fails at the first thing that is not so.

Every answer about keys, types and comments was seen on PostgreSQL 15 over relations of the same declarations.
"""

import datetime
import decimal
import sys

from sqlalchemy import MetaData, create_engine, func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, declarative_base

engine = create_engine(sys.argv[1], pool_size=2)
found = inspect(engine)

assert set(found.get_schema_names()) == {"information_schema", "perennial", "public", "raw"}, found.get_schema_names()
assert found.default_schema_name == "public"
tables = found.get_table_names()
assert {"customers", "customer_360", "orders", "order_items", "lifecycle_history", "products"} <= set(tables), tables
assert "cohort_retention_monthly" not in tables
assert "cohort_retention_monthly" in found.get_view_names()
assert "shop_orders" in found.get_table_names(schema="raw")
assert found.get_temp_table_names() == found.get_materialized_view_names() == found.get_sequence_names() == []
assert found.has_table("orders") and not found.has_table("nothing") and found.has_table("metrics", schema="perennial")
assert found.get_view_definition("cohort_retention_monthly").strip() == "SELECT * FROM cohort_retention('month');"

columns = {column["name"]: column for column in found.get_columns("customer_360")}
assert list(columns)[0] == "customer_id"
for name, kind, nullable in [
    ("customer_id", "TEXT", False),
    ("lifecycle_stage", "TEXT", False),
    ("orders", "BIGINT", False),
    ("net_revenue", "NUMERIC(18, 4)", True),
    ("recency_days", "DOUBLE PRECISION", True),
    ("birth_date", "DATE", True),
    ("last_order_at", "TIMESTAMP", True),
    ("sources", "ARRAY", False),
]:
    column = columns[name]
    assert (str(column["type"]), column["nullable"]) == (kind, nullable), (name, column)
    assert column["default"] is None and column["comment"], column
assert columns["last_order_at"]["type"].timezone and str(columns["sources"]["type"].item_type) == "TEXT"

key = found.get_pk_constraint("customer_360")
assert (key["name"], key["constrained_columns"]) == ("customer_360_pkey", ["customer_id"]), key
several = found.get_pk_constraint("segment_members")
assert several["constrained_columns"] == ["segment", "customer_id"], several
assert found.get_pk_constraint("order_items")["constrained_columns"] == []
(foreign,) = found.get_foreign_keys("orders")
assert (foreign["constrained_columns"], foreign["referred_table"], foreign["referred_columns"]) == (["customer_id"], "customers", ["customer_id"]), foreign
assert found.get_indexes("orders") == found.get_unique_constraints("orders") == found.get_check_constraints("orders") == []
assert found.get_table_comment("orders")["text"].startswith("One row per order")

metadata = MetaData()
metadata.reflect(engine, views=True)
assert {"customers", "customer_360", "orders", "cohort_retention_monthly"} <= set(metadata.tables)
for schema in ("raw", "perennial"):
    of_schema = MetaData()
    of_schema.reflect(engine, schema=schema)
    assert len(of_schema.tables) > 9, (schema, of_schema.tables.keys())
orders, customers = metadata.tables["orders"], metadata.tables["customer_360"]
assert [column.name for column in customers.primary_key] == ["customer_id"]
assert {key.target_fullname for key in orders.c.customer_id.foreign_keys} == {"customers.customer_id"}

with engine.connect() as connection:
    query = (
        select(customers.c.lifecycle_stage, func.count().label("people"), func.sum(customers.c.net_revenue).label("revenue"))
        .where(customers.c.orders >= 1, customers.c.last_order_at < datetime.datetime(2026, 7, 1, tzinfo=datetime.timezone.utc))
        .group_by(customers.c.lifecycle_stage)
        .order_by(func.count().desc(), customers.c.lifecycle_stage)
        .limit(5)
    )
    stages = connection.execute(query).all()
    assert len(stages) == 5 and all(isinstance(row.people, int) and isinstance(row.revenue, decimal.Decimal) for row in stages), stages
    joined = select(func.count()).select_from(orders.join(customers, orders.c.customer_id == customers.c.customer_id)).where(orders.c.channel.in_(["email", "direct"]))
    assert connection.execute(joined).scalar_one() > 0
    assert connection.execute(select(customers.c.customer_id).where(customers.c.email.like("%/_%", escape="/"))).all() is not None
    assert connection.execute(text("SELECT CAST(:day AS date) + 1"), {"day": datetime.date(2026, 2, 28)}).scalar_one() == datetime.date(2026, 3, 1)
    # A stream of rows in portions, by a cursor of the server.
    rows = connection.execution_options(stream_results=True, yield_per=100).execute(select(orders.c.order_id))
    portions = [len(portion) for portion in rows.partitions()]
    assert portions[0] == 100 and sum(portions) > 600, portions
    try:
        connection.execute(text("SELECT 1 / 0"))
        raise SystemExit("1 / 0 has an answer")
    except DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None) or error.orig.pgcode
        assert code == "22012", error

Base = declarative_base(metadata=metadata)


class Customer(Base):
    __table__ = customers


with Session(engine) as session:
    best = session.scalars(select(Customer).where(Customer.net_revenue.is_not(None)).order_by(Customer.net_revenue.desc()).limit(3)).all()
    assert len(best) == 3 and best[0].net_revenue >= best[1].net_revenue and isinstance(best[0].sources, list)
    assert session.get(Customer, best[1].customer_id) is best[1]
engine.dispose()
print("done")
