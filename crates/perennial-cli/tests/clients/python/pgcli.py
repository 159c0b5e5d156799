"""pgcli, the terminal with completion: what it asks of the catalog to complete names, and how it runs what is typed."""

from transcript import check, client, done, part

import logging
import os

import pgcli
from pgcli.pgexecute import PGExecute
from pgspecial.main import PGSpecial

logging.disable(logging.CRITICAL)
executor = PGExecute(os.environ["PGDATABASE"], os.environ["PGUSER"], os.environ["PGPASSWORD"], os.environ["PGHOST"], os.environ["PGPORT"])
special = PGSpecial()
SERVED = ("public", "raw", "perennial")


def completions():
    part("names to complete: schemas, relations, columns, keys, types, functions")
    served = lambda rows: sorted([list(row) for row in rows if row[0] in SERVED], key=repr)
    check("search path", executor.search_path)
    check("schemas", lambda: sorted(name for name in executor.schemata() if not name.startswith("pg_t")))
    check("tables", lambda: served(executor.tables()))
    check("views", lambda: served(executor.views()))
    check("columns of tables", lambda: served(executor.table_columns()))
    check("columns of views", lambda: [row[:5] for row in served(executor.view_columns())])
    check("foreign keys", lambda: sorted(list(key) for key in executor.foreignkeys()))
    check("databases", lambda: [name for name in executor.databases() if name == "perennial"])
    check("all databases", lambda: [name for name in executor.full_databases() if name == "perennial"])
    check("types of one's own", lambda: served(executor.datatypes()))
    check("columns of the catalog", lambda: sorted(list(row) for row in executor.table_columns() if row[:2] == ("pg_catalog", "pg_namespace")))
    check("functions of the catalog", lambda: sorted(([f.func_name, f.return_type, f.is_aggregate, f.is_window, f.is_set_returning, f.arg_types] for f in executor.functions() if f.schema_name == "pg_catalog" and f.func_name in ("date_trunc", "count", "row_number", "generate_series", "left")), key=repr))
    check("casing", lambda: sorted(set(executor.casing()))[:5])
    check("definition of a view", lambda: executor.view_definition("public.lifecycle_funnel").split("\n")[0].split(" AS")[0])
    check("time zone", executor.get_timezone)


def told(statement, on_error_resume=False):
    """What pgcli shows: title, rows, headers, status and whether it went well."""
    def shown(error):
        return f"error {getattr(error, 'sqlstate', None)}"

    answers = []
    for title, rows, headers, status, sql, success, is_special, *_ in executor.run(statement, special, exception_formatter=shown, on_error_resume=on_error_resume):
        answers.append([title, [list(row) for row in rows.fetchall()] if hasattr(rows, "fetchall") else [list(row) for row in rows or []], headers, status, success, is_special])
    return answers


def statements():
    part("statements")
    for name, statement in [
        ("a query", "SELECT segment, members FROM segments ORDER BY 1"), ("several", "SELECT 1 AS a; SELECT 'b' AS b"), ("values", "SELECT NULL, true, 1.50, 0.1::float8, '{a,NULL}'::text[], '\\x00ff'::bytea, '2024-02-29 03:04:05+00'::timestamptz, interval '1 day 2 hours'"),
        ("an error", "SELECT nothing FROM orders"), ("no rows", "SELECT * FROM orders WHERE false"), ("a setting", "SET application_name = 'x'"), ("shown", "SHOW application_name"), ("with", "WITH a AS (SELECT 1 AS n) SELECT * FROM a;"),
        ("a transaction", "BEGIN"), ("in it", "SELECT 1 / 0"), ("behind the error", "SELECT 1"), ("rolled back", "ROLLBACK"), ("unicode", "SELECT '\u20ac' AS \"\u20ac\""),
    ]:
        check(name, lambda: told(statement))
        check(f"state after {name}", lambda: [executor.valid_transaction(), executor.failed_transaction(), executor.transaction_indicator])
    check("after an error", lambda: told("SELECT 1 / 0; SELECT 2 AS a", on_error_resume=True))


def commands():
    part("commands with a backslash")
    for command in ("\\dt public.*", "\\dv", "\\d segments", "\\d+ segment_members", "\\d lifecycle_funnel", "\\dn", "\\dt raw.shop*", "\\dT nothing", "\\di nothing", "\\ds", "\\dm", "\\dx nothing", "\\df nothing", "\\dD nothing", "\\d nothing", "\\dE", "\\db nothing", "\\ddp"):
        check(command, lambda: without_owners(told(command)))


def without_owners(answers):
    """The owner and the size of a relation are the server's own."""
    kept = []
    for title, rows, headers, status, success, is_special in answers:
        keep = [n for n, name in enumerate(headers or []) if name not in ("Owner", "Size", "Access privileges", "Access method")]
        kept.append([title, sorted(([row[n] for n in keep] if len(row) == len(headers) else row for row in rows), key=repr), [headers[n] for n in keep], status, success])
    return kept


client("pgcli", pgcli.__version__)
completions()
statements()
commands()
done()
