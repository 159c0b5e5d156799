"""Superset, by its own library and without its web server: databases, datasets and charts of the Postgres engine spec, its
time grains, and what SQL Lab sends."""

from transcript import check, client, done, part, url

import contextlib
import datetime
import importlib.metadata
import io
import logging
import os
import pathlib
import tempfile
import warnings

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
home = tempfile.TemporaryDirectory()
CONFIG = f"""
SECRET_KEY = "only for the metadata of this suite"
SQLALCHEMY_DATABASE_URI = "sqlite:///{home.name}/metadata.db"
CACHE_CONFIG = DATA_CACHE_CONFIG = FILTER_STATE_CACHE_CONFIG = EXPLORE_FORM_DATA_CACHE_CONFIG = {{"CACHE_TYPE": "NullCache"}}
RATELIMIT_ENABLED = False
"""
pathlib.Path(home.name, "config.py").write_text(CONFIG)
os.environ["SUPERSET_HOME"] = home.name
os.environ["SUPERSET_CONFIG_PATH"] = f"{home.name}/config.py"

with contextlib.redirect_stdout(io.StringIO()):
    from superset.app import create_app

    create_app().app_context().push()

from flask_appbuilder import Model

from superset import db
from superset.connectors.sqla.models import SqlaTable
from superset.models.core import Database
from superset.sql.parse import Table

Model.metadata.create_all(db.engine)
database = Database(database_name="perennial", sqlalchemy_uri=url("postgresql+psycopg2"), expose_in_sqllab=True)
database.set_sqlalchemy_uri(url("postgresql+psycopg2"))
db.session.add(database)
db.session.flush()
spec = database.db_engine_spec


def frame(told):
    told = told.astype(object)
    return [list(told.columns), told.where(told.notna(), None).values.tolist()]


def tables():
    part("schemas, tables, views and columns of the engine spec")
    check("connects", lambda: frame(database.get_df("SELECT 1 AS a")))
    check("schemas", lambda: sorted(database.get_all_schema_names()))
    check("default schema", lambda: database.get_default_schema(None))
    check("catalogs", lambda: "perennial" in database.get_all_catalog_names())
    for schema in ("public", "raw", "perennial"):
        check(f"tables of {schema}", lambda: sorted(str(table) for table in database.get_all_table_names_in_schema(None, schema)))
        check(f"views of {schema}", lambda: sorted(str(view) for view in database.get_all_view_names_in_schema(None, schema)))
    for name in ("customer_360", "orders", "events", "cohort_retention_monthly"):
        check(f"columns of {name}", lambda: [[column["column_name"], str(column["type"]), column["nullable"], column.get("comment")] for column in database.get_columns(Table(name, "public"))])
        check(f"keys of {name}", lambda: [database.get_pk_constraint(Table(name, "public")), database.get_foreign_keys(Table(name, "public")), database.get_indexes(Table(name, "public")), database.get_table_comment(Table(name, "public"))])
    check("select star", lambda: database.select_star(Table("products", "public"), limit=5, show_cols=True))
    check("functions", lambda: {"date_trunc", "count", "left"} <= set(spec.get_function_names(database)) or spec.get_function_names(database))


def grains():
    part("every time grain")
    for grain in sorted(filter(None, spec.get_time_grain_expressions())):
        def of():
            sql = spec.get_time_grain_expressions()[grain].format(col="time")
            return frame(database.get_df(f"SELECT {sql} AS grain, count(*) AS n FROM orders WHERE time >= '2026-06-10' GROUP BY 1 ORDER BY 1"))
        check(f"grain {grain}", of)
    moment = datetime.datetime(2026, 6, 10, 3, 4, 5, 678901)
    for kind in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIME"):
        literal = spec.convert_dttm(kind, moment)
        check(f"literal of {kind}", lambda: [literal, frame(database.get_df(f"SELECT ({literal or 'NULL'})::text AS t"))])
    check("epoch", lambda: frame(database.get_df(f"SELECT {spec.epoch_to_dttm().format(col='1700000000')} AS a, {spec.epoch_ms_to_dttm().format(col='1700000000123')} AS b")))


def dataset(name, schema="public", **options):
    made = SqlaTable(table_name=name, schema=schema, database=database, **options)
    db.session.add(made)
    made.fetch_metadata()
    db.session.flush()
    return made


def drawn(result, ordered):
    """The rows of a chart, or why there are none. Where the chart has no order, the browser makes one."""
    if result.error_message:
        raise RuntimeError(result.error_message)
    columns, rows = frame(result.df)
    return [columns, rows if ordered else sorted(rows, key=repr)]


def charts():
    part("datasets and charts")
    orders = dataset("orders")
    check("dataset", lambda: [[column.column_name, column.type, column.is_dttm, column.groupby, column.description] for column in sorted(orders.columns, key=lambda column: column.column_name)] + [orders.main_dttm_col])
    check("dataset of a view", lambda: sorted([column.column_name, column.type, column.is_dttm] for column in dataset("cohort_retention_monthly").columns))
    check("dataset of raw", lambda: sorted([column.column_name, column.type] for column in dataset("shop_orders", "raw").columns))
    virtual = dataset("by_channel", sql="SELECT channel, amount, time, paid FROM orders WHERE amount > 10")
    check("virtual dataset", lambda: sorted([column.column_name, column.type, column.is_dttm] for column in virtual.columns))
    since, until = datetime.datetime(2026, 1, 1), datetime.datetime(2026, 7, 1)
    total = {"label": "revenue", "expressionType": "SQL", "sqlExpression": "SUM(amount)"}
    people = {"label": "people", "expressionType": "SIMPLE", "aggregate": "COUNT_DISTINCT", "column": {"column_name": "customer_id"}}
    base = {"granularity": "time", "from_dttm": since, "to_dttm": until, "is_timeseries": False, "filter": [], "extras": {}, "row_limit": 100, "orderby": []}
    for name, source, query in [
        ("line", orders, {"columns": [], "metrics": [total, people], "is_timeseries": True, "extras": {"time_grain_sqla": "P1M"}}),
        ("series", orders, {"columns": ["channel"], "metrics": [total], "is_timeseries": True, "series_limit": 3, "series_limit_metric": total, "extras": {"time_grain_sqla": "P3M"}, "orderby": [["revenue", False]]}),
        ("table", orders, {"columns": ["order_id", "channel", "amount", "time"], "metrics": None, "orderby": [["order_id", True]], "row_limit": 5}),
        ("pie", orders, {"columns": ["status"], "metrics": [people], "orderby": [[people, False], ["status", True]]}),
        ("filters", orders, {"columns": ["channel"], "metrics": [total], "filter": [{"col": "channel", "op": "IN", "val": ["email", "direct"]}, {"col": "amount", "op": ">", "val": 20}, {"col": "campaign", "op": "IS NOT NULL"}, {"col": "status", "op": "ILIKE", "val": "%ship%"}], "orderby": [["channel", True]]}),
        ("having", orders, {"columns": ["channel"], "metrics": [total], "extras": {"having": "SUM(amount) > 500", "where": "paid"}, "orderby": [["channel", True]]}),
        ("page", orders, {"columns": ["order_id"], "metrics": None, "orderby": [["order_id", True]], "row_limit": 3, "row_offset": 3}),
        ("virtual", virtual, {"columns": ["channel"], "metrics": [{"label": "n", "expressionType": "SQL", "sqlExpression": "COUNT(*)"}], "orderby": [["channel", True]]}),
    ]:
        check(f"chart {name}", lambda: drawn(source.query({**base, **query}), "orderby" in query))
    check("values of a filter", lambda: sorted(map(str, orders.values_for_column("channel"))))


def lab():
    part("SQL Lab")
    for name, sql in [
        ("limited", database.apply_limit_to_sql("SELECT order_id FROM orders ORDER BY 1", 3)), ("a WITH", "WITH a AS (SELECT channel, count(*) AS n FROM orders GROUP BY 1) SELECT * FROM a ORDER BY n DESC, 1 LIMIT 3"),
        ("types", "SELECT 1 AS a, 1.50 AS b, 'x' AS c, now() > '2020-01-01' AS d, '2024-02-29'::date AS e, '2024-02-29 03:04:05+00'::timestamptz AS f, ARRAY[1, 2] AS g, NULL AS h, '{\"a\": 1}'::json AS i"), ("no rows", "SELECT * FROM orders WHERE false"),
    ]:
        check(name, lambda: frame(database.get_df(sql, schema="public")))
    check("another schema", lambda: frame(database.get_df("SELECT count(*) AS n FROM shop_orders", schema="raw")))
    for name, sql in [("syntax", "SELEC 1"), ("column", "SELECT nothing FROM orders"), ("table", "SELECT * FROM nothing"), ("division", "SELECT 1 / 0")]:
        check(f"error of {name}", lambda: failed(sql))
    with database.get_raw_connection(schema="public") as connection:
        cursor = connection.cursor()
        spec.execute(cursor, "SELECT order_id, amount, time, sources FROM orders JOIN customer_360 USING (customer_id) LIMIT 0", database)
        check("types of a cursor", lambda: [[column[0], spec.get_datatype(column[1])] for column in cursor.description])
        check("id to cancel by", lambda: str(spec.get_cancel_query_id(cursor, None)).isdigit())


def failed(sql):
    """What Superset makes of an error, from its text."""
    try:
        return frame(database.get_df(sql, schema="public"))
    except Exception as error:
        return [[told.error_type, told.message, {key: value for key, value in (told.extra or {}).items() if key == "engine_name"}] for told in spec.extract_errors(error)]


client("Superset", importlib.metadata.version("apache_superset"))
tables()
grains()
charts()
lab()
done()
