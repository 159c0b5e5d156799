"""dbt with dbt-postgres, over relations that it may only read: debug, show, tests, source freshness, the catalog of its
documentation, and the refusal of what it would build."""

from transcript import check, client, done, part

import importlib.metadata
import json
import os
import pathlib
import tempfile

import yaml

os.environ.update(DBT_SEND_ANONYMOUS_USAGE_STATS="false", DBT_QUIET="true", DBT_NO_PRINT="true", DBT_LOG_LEVEL="none", DBT_LOG_LEVEL_FILE="none", DBT_STATIC_PARSER="true")
temporary = tempfile.TemporaryDirectory()
home = pathlib.Path(temporary.name)
profile = {"type": "postgres", "host": os.environ["PGHOST"], "port": int(os.environ["PGPORT"]), "user": os.environ["PGUSER"], "password": os.environ["PGPASSWORD"], "dbname": os.environ["PGDATABASE"], "schema": "public", "threads": 1}
files = {
    "profiles.yml": yaml.dump({"shop": {"target": "it", "outputs": {"it": profile}}}),
    "dbt_project.yml": yaml.dump({"name": "shop", "version": "1.0", "profile": "shop", "models": {"shop": {"+materialized": "ephemeral"}}, "flags": {"send_anonymous_usage_stats": False}}),
    "models/sources.yml": yaml.dump({"version": 2, "sources": [
        {"name": "served", "schema": "public", "tables": [
            {"name": "orders", "loaded_at_field": "updated_at", "freshness": {"warn_after": {"count": 1, "period": "day"}},
             "columns": [{"name": "order_id", "data_tests": ["not_null", "unique"]}, {"name": "customer_id", "data_tests": [{"relationships": {"arguments": {"to": "source('served', 'customers')", "field": "customer_id"}}}]},
                         {"name": "status", "data_tests": [{"accepted_values": {"arguments": {"values": ["shipped", "paid"]}}}]}]},
            {"name": "customers", "columns": [{"name": "customer_id", "data_tests": ["unique"]}, {"name": "country", "data_tests": ["not_null"]}]}, {"name": "segments"}]},
        {"name": "raw", "tables": [{"name": "shop_orders"}]}]}),
    "models/revenue.sql": "select date_trunc('month', time)::date as month, count(*) as orders, sum(amount) as revenue from {{ source('served', 'orders') }} where paid group by 1",
    "models/best.sql": "select month, revenue, rank() over (order by revenue desc) as place from {{ ref('revenue') }}",
    "models/built.sql": "{{ config(materialized='view') }} select * from {{ ref('revenue') }}",
    "tests/no_negative_amount.sql": "select * from {{ source('served', 'orders') }} where amount < 0",
    "macros/told.sql": "{% macro counted(query) %}{% set found = run_query(query) %}{{ return((found.rows | length) if execute else 0) }}{% endmacro %}\n"
                       "{% macro columns(table) %}{{ return(adapter.get_columns_in_relation(source('served', table)) | map(attribute='data_type') | join(', ')) }}{% endmacro %}\n"
                       "{% macro relation(table) %}{% set found = adapter.get_relation(target.database, 'public', table) %}{{ return(found.type) }}{% endmacro %}",
}
for name, text in files.items():
    (home / name).parent.mkdir(exist_ok=True)
    (home / name).write_text(text)

from dbt.cli.main import dbtRunner

runner = dbtRunner()


def dbt(*arguments):
    return runner.invoke([*arguments, "--project-dir", str(home), "--profiles-dir", str(home)])


def outcome(result):
    return [result.success, sorted([each.node.name, str(each.status), each.failures] for each in result.result.results)] if result.result is not None and hasattr(result.result, "results") else [result.success, str(result.exception)[:200]]


def shown(*arguments):
    result = dbt("show", *arguments, "--limit", "100", "--output", "json")
    (node,) = result.result.results
    return [result.success, sorted(list(map(str, row)) for row in node.agate_table.rows) if node.agate_table else node.message]


def catalog():
    dbt("docs", "generate", "--no-compile")
    told = json.loads((home / "target" / "catalog.json").read_text())
    return {name: [source["metadata"]["type"], source["metadata"]["comment"], [[c["name"], c["type"], c["index"], c["comment"]] for c in source["columns"].values()]] for name, source in sorted(told["sources"].items())}


client("dbt-postgres", importlib.metadata.version("dbt-postgres"))
part("debug, compile and show")
check("debug", lambda: dbt("debug").success)
check("parse", lambda: dbt("parse").success)
check("compile", lambda: dbt("compile", "--select", "best").success)
check("show a model", lambda: shown("--select", "revenue"))
check("show a model of models", lambda: shown("--select", "best"))
check("show a query", lambda: shown("--inline", "select segment, members from {{ source('served', 'segments') }} order by 1"))
check("list", lambda: sorted(dbt("list", "--resource-type", "source").result))
part("tests and freshness")
for name in ("not_null", "unique", "relationships", "accepted_values"):
    check(f"tests {name}", lambda: outcome(dbt("test", "--select", f"test_name:{name}")))
check("a test of one's own", lambda: outcome(dbt("test", "--select", "no_negative_amount")))
check("freshness", lambda: [[each.node.name, str(each.max_loaded_at)] for each in dbt("source", "freshness").result.results])
part("documentation and macros on the catalog")
check("catalog", catalog)
check("a query of a macro", lambda: shown("--inline", "select {{ counted('select * from segments') }} as n"))
check("columns of a relation", lambda: shown("--inline", "select '{{ columns('orders') }}' as columns"))
check("kind of a relation", lambda: shown("--inline", "select '{{ relation('lifecycle_funnel') }}' as a, '{{ relation('orders') }}' as b, '{{ relation('nothing') }}' as c"))
part("what is not built")
check("a view", lambda: [(result := dbt("run", "--select", "built")).success, [str(each.status) for each in result.result.results]])
done()
