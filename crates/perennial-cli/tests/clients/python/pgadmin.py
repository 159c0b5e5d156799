"""pgAdmin 4, by its own web application and without a web server: the tree of objects with their properties and statements,
statistics, dashboards, search, the query tool with completion, and the data of a table."""

from transcript import check, client, done, part

import builtins
import importlib.metadata
import importlib.util
import json
import logging
import os
import pathlib
import re
import sys
import tempfile
import warnings

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
home = tempfile.TemporaryDirectory()
application = pathlib.Path(importlib.util.find_spec("pgadmin4").submodule_search_locations[0])
sys.path.insert(0, str(application))
builtins.SERVER_MODE = False

import config
import psycopg

for name, value in {
    "SERVER_MODE": False, "MASTER_PASSWORD_REQUIRED": False, "UPGRADE_CHECK_ENABLED": False, "USE_OS_SECRET_STORAGE": False, "WTF_CSRF_ENABLED": False, "WTF_CSRF_CHECK_DEFAULT": False,
    "DATA_DIR": home.name, "LOG_FILE": f"{home.name}/log", "SQLITE_PATH": f"{home.name}/pgadmin.db", "SESSION_DB_PATH": f"{home.name}/sessions", "STORAGE_DIR": f"{home.name}/storage", "AZURE_CREDENTIAL_CACHE_DIR": f"{home.name}/azure", "KERBEROS_CCACHE_DIR": f"{home.name}/kerberos",
}.items():
    setattr(config, name, value)

# What it says while it sets itself up is none of the transcript.
said = os.dup(1)
os.dup2(2, 1)
from pgadmin import create_app

app = create_app()
app.PGADMIN_INT_KEY = ""
app.PGADMIN_RUNTIME = False
app.config["PGADMIN_INT_KEY"] = ""
app.run_before_app_start()
browser = app.test_client()
browser.get("/browser/")
os.dup2(said, 1)

# What each server numbers, grants and measures by itself.
OWN = {"id", "_id", "_pid", "oid", "did", "tid", "xmin", "pid", "acl", "acls", "relacl_str", "attacl", "datacl", "definition", "conn_id", "connId", "serverVersion", "typoid", "table_oid", "refnspoid", "confrelid", "references", "parent_tbl", "refobjid", "objid", "indexrelid", "cltype", "user", "seclabels", "spcoid", "datcollate", "datctype"}


def own(value):
    match value:
        case dict():
            return {key: own(item) for key, item in value.items() if key not in OWN}
        case list():
            return [own(item) for item in value]
        case str():
            return re.sub(r"\.\d+:/", "/", value)
        case _:
            return value


def ask(path, method="get", **options):
    answer = getattr(browser, method)(path, **options)
    text = answer.get_data(as_text=True)
    if answer.status_code != 200:
        raise RuntimeError(json.loads(text).get("errormsg") or text if text.startswith("{") else answer.status)
    told = json.loads(text)
    return told["data"] if isinstance(told, dict) and told.get("data") is not None else told


def numbers(query):
    """Numbers of objects by their names, which do not depend on what pgAdmin finds."""
    with psycopg.connect() as connection:
        return dict(connection.execute(query).fetchall())


SCHEMAS = "SELECT nspname, oid FROM pg_namespace"
RELATIONS = "SELECT relname, oid FROM pg_class WHERE relnamespace = 'public'::regnamespace"
ROLES = "SELECT rolname, oid FROM pg_roles"


def labelled(told):
    return sorted([node["label"], node["_type"], own({key: node.get(key) for key in ("datatype", "description", "inode", "displaytypname", "is_primary", "rows_cnt")})] for node in told)


# Where the database is in the tree.
base = []


def server():
    number = ask("/browser/server/obj/1/", "post", json={
        "name": "server", "host": os.environ["PGHOST"], "port": int(os.environ["PGPORT"]), "db": os.environ["PGDATABASE"], "username": os.environ["PGUSER"], "sslmode": "prefer", "connection_params": [{"name": "sslmode", "value": "prefer", "keyword": "sslmode"}],
    })["node"]["_id"]
    told = ask(f"/browser/server/connect/1/{number}", "post", data={"password": os.environ["PGPASSWORD"], "save_password": False})
    base.extend([1, number, told["did"]])
    return [told["connected"], told["server_type"], {key: told["user"][key] for key in ("name", "is_superuser", "can_create_role", "can_create_db", "can_signal_backend")}]


def databases():
    part("a server, its dashboard and its databases")
    _, number, database = base
    check("settings of the server", lambda: {setting["name"]: setting["setting"] for setting in ask(f"/dashboard/config/{number}") if setting["name"] in ("TimeZone", "DateStyle", "search_path", "server_encoding")})
    for name, path in {"": f"{number}", " of the database": f"{number}/{database}"}.items():
        check(f"dashboard{name}", lambda: sorted([chart, sorted(values)] for chart, values in ask(f"/dashboard/dashboard_stats/{path}?chart_names=session_stats,tps_stats,ti_stats,to_stats,bio_stats").items()))
        check(f"activity{name}", lambda: sorted({row["usename"] for row in ask(f"/dashboard/activity/{path}")[0]["activity"]} & {os.environ["PGUSER"]}))
        check(f"locks{name}", lambda: isinstance(ask(f"/dashboard/locks/{path}"), list))
        check(f"prepared transactions{name}", lambda: ask(f"/dashboard/prepared/{path}"))
    check("databases", lambda: [[node["label"], node["_type"], node["canDisconn"], node["allowConn"]] for node in ask(f"/browser/database/nodes/1/{number}/") if node["label"] == "perennial"])
    check("properties of a database", lambda: own(ask(f"/browser/database/obj/1/{number}/{database}")))
    check("list of databases", lambda: [own(row) for row in ask(f"/browser/database/obj/1/{number}/") if row["name"] == "perennial"])
    check("statement of a database", lambda: ask(f"/browser/database/sql/1/{number}/{database}"))
    check("statistics of a database", lambda: [column["name"] for column in ask(f"/browser/database/stats/1/{number}/{database}")["columns"]])
    check("roles", lambda: [node["label"] for node in ask(f"/browser/role/nodes/1/{number}/") if node["label"] == "analyst"])
    check("properties of a role", lambda: own(ask(f"/browser/role/obj/1/{number}/{numbers(ROLES)['analyst']}")))
    check("tablespaces", lambda: labelled(ask(f"/browser/tablespace/nodes/1/{number}/")))
    check("connects to a database", lambda: ask(f"/browser/database/connect/1/{number}/{database}", "post")["connected"])


KINDS_OF_DATABASE = ("catalog", "schema", "cast", "event_trigger", "extension", "foreign_data_wrapper", "language", "publication", "subscription")
KINDS_OF_SCHEMA = ("table", "view", "mview", "procedure", "trigger_function", "sequence", "type", "domain", "collation", "foreign_table", "operator", "fts_configuration", "fts_dictionary", "fts_parser", "fts_template")
KINDS_OF_TABLE = ("column", "index", "rule", "trigger", "partition", "row_security_policy", "constraints")
KINDS_OF_CONSTRAINT = ("primary_key", "foreign_key", "unique_constraint", "exclusion_constraint")


def tree():
    part("the tree of schemas, tables, columns and keys")
    path = "/".join(map(str, base))
    for kind in KINDS_OF_DATABASE:
        check(f"{kind} of the database", lambda: labelled(ask(f"/browser/{kind}/nodes/{path}/")))
    schemas, relations = numbers(SCHEMAS), numbers(RELATIONS)
    for name in ("perennial", "public", "raw"):
        check(f"properties of the schema {name}", lambda: own(ask(f"/browser/schema/obj/{path}/{schemas[name]}")))
    check("list of schemas", lambda: sorted(own(ask(f"/browser/schema/obj/{path}/")), key=str))
    check("statement of a schema", lambda: re.sub("(?m)^GRANT.*$", "", ask(f"/browser/schema/sql/{path}/{schemas['raw']}")))
    check("objects of a catalog", lambda: len(ask(f"/browser/catalog_object/nodes/{path}/{schemas['information_schema']}/")) > 0)
    for schema in ("raw", "perennial"):
        check(f"tables of {schema}", lambda: sorted(node["label"] for node in ask(f"/browser/table/nodes/{path}/{schemas[schema]}/")))
    path = f"{path}/{schemas['public']}"
    for kind in KINDS_OF_SCHEMA:
        check(f"{kind} of a schema", lambda: labelled(ask(f"/browser/{kind}/nodes/{path}/")))
    for name in ("orders", "customers", "segment_members"):
        table(f"{path}/{relations[name]}", name)
    view = f"{path}/{relations['cohort_retention_monthly']}"
    check("properties of a view", lambda: own(ask(f"/browser/view/obj/{view}")))
    check("columns of a view", lambda: labelled(ask(f"/browser/column/nodes/{view}/")))
    check("list of tables", lambda: sorted([row["name"], row.get("description")] for row in ask(f"/browser/table/obj/{path}/")))
    check("sizes of tables", lambda: sorted(row["Table name"] for row in ask(f"/browser/table/stats/{path}/")["rows"]))


def table(below, name):
    check(f"properties of {name}", lambda: own(ask(f"/browser/table/obj/{below}")))
    check(f"statement of {name}", lambda: re.sub("(?m)^(GRANT|REVOKE).*$", "", ask(f"/browser/table/sql/{below}")))
    check(f"query of {name}", lambda: ask(f"/browser/table/select_sql/{below}"))
    check(f"rows of {name}", lambda: ask(f"/browser/table/count_rows/{below}"))
    check(f"statistics of {name}", lambda: [column["name"] for column in ask(f"/browser/table/stats/{below}")["columns"]])
    check(f"what {name} depends on", lambda: sorted([row["type"], row["name"], row["field"]] for row in ask(f"/browser/table/dependency/{below}") if row["type"] != "role"))
    check(f"what depends on {name}", lambda: sorted([row["type"], row["name"], row["field"]] for row in ask(f"/browser/table/dependent/{below}")))
    for kind in KINDS_OF_TABLE:
        check(f"{kind} of {name}", lambda: labelled(ask(f"/browser/{kind}/nodes/{below}/")))
    check(f"list of columns of {name}", lambda: own(ask(f"/browser/column/obj/{below}/")))
    check(f"properties of a column of {name}", lambda: own(ask(f"/browser/column/obj/{below}/1")))
    check(f"statistics of a column of {name}", lambda: [column["name"] for column in ask(f"/browser/column/stats/{below}/1")["columns"]])
    for kind in KINDS_OF_CONSTRAINT:
        check(f"{kind} of {name}", lambda: [own(ask(f"/browser/{kind}/obj/{below}/{node['_id']}")) for node in ask(f"/browser/{kind}/nodes/{below}/")])


def search():
    part("search of objects")
    path = "/".join(map(str, base[1:]))
    for kind in ("table", "column", "view", "schema", "primary_key", "foreign_key", "index", "function", "sequence", "type"):
        check(f"search for {kind}", lambda: sorted([row["name"], own(row["path"])] for row in ask(f"/search_objects/search/{path}?text=order&type={kind}")))
    check("search for everything", lambda: sorted({row["type"] for row in ask(f"/search_objects/search/{path}?text=segment&type=all")}))


def run(tool, query, **options):
    ask(f"/sqleditor/query_tool/start/{tool}", "post", json={"sql": query, "explain_plan": None, **options})
    return polled(tool)


def mistake(tool, query):
    """What is shown of an error; remedies are the server's own."""
    try:
        return run(tool, query)
    except RuntimeError as error:
        return re.sub(r"(?s)\nHINT: .*?(?= \n\n|$)", "", str(error))


def polled(tool):
    while (told := ask(f"/sqleditor/poll/{tool}"))["status"] == "Busy":
        pass
    if told["status"] != "Success":
        return told["result"]
    columns = [[column.get(key) for key in ("name", "type_code", "precision", "scale", "is_editable", "not_null")] for column in told["colinfo"] or []]
    return [columns, told["result"], told["rows_affected"], sorted(told["primary_keys"] or {})]


def queries():
    part("the query tool, its completion and the data of a table")
    tool, path = 7654321, "/".join(map(str, base))
    ask(f"/sqleditor/initialize/sqleditor/{tool}/{path}", "post", json={"user": None, "role": None, "dbname": "perennial"})
    for name, query in {
        "a query": "SELECT order_id, amount, time, paid FROM orders ORDER BY order_id LIMIT 3", "a table": "SELECT * FROM segments ORDER BY segment", "of every type": "SELECT 1::int2, 1::int8, 1.5::numeric, 0.1::float8, true, 'x'::text, now()::date = current_date, interval '1 day', ARRAY[1, 2], '{\"a\": 1}'::jsonb",
        "grouped": "SELECT channel, count(*) AS n, sum(amount)::numeric(18,2) AS total FROM orders GROUP BY 1 ORDER BY 1", "several": "SELECT 1 AS a; SELECT 2 AS b;", "none": "SELECT * FROM orders WHERE false", "setting": "SET timezone = 'UTC'", "shown": "SHOW timezone",
    }.items():
        check(f"query, {name}", lambda: run(tool, query))
    for name, query in {"syntax": "SELEC 1", "no column": "SELECT nothing FROM orders", "no table": "SELECT 1 FROM nothing", "division": "SELECT 1 / 0", "cast": "SELECT 'x'::int"}.items():
        check(f"error, {name}", lambda: mistake(tool, query))
    for name, options in {"json": {"format": "json"}, "analyze": {"format": "json", "analyze": True, "costs": True, "timing": True, "buffers": True}}.items():
        plan = {"format": "json", "analyze": False, "verbose": False, "costs": False, "buffers": False, "wal": False, "summary": False, "settings": False, "timing": False, **options}
        check(f"plan, {name}", lambda: [list(json.loads(row[0])[0]) for row in run(tool, "SELECT 1", explain_plan=plan)[1]])
    check("cancel of nothing", lambda: ask(f"/sqleditor/cancel/{tool}", "post"))
    check("status of the connection", lambda: own(ask(f"/sqleditor/status/{tool}")))
    for typed, text in {"table": "SELECT * FROM ord", "schema": "SELECT * FROM ra", "table of a schema": "SELECT * FROM raw.", "column": "SELECT amou FROM orders", "column of an alias": "SELECT o. FROM orders o", "function": "SELECT lifecycle_st"}.items():
        before = text.split(" FROM")[0] if typed.startswith("column") else text
        check(f"completion of {typed}", lambda: sorted([name, told["object_type"]] for name, told in ask(f"/sqleditor/autocomplete/{tool}", "post", json=json.dumps([text, before]))["result"].items() if told["object_type"] not in ("keyword", "datatype", "database")))
    data = 7654322
    ask(f"/sqleditor/initialize/viewdata/{data}/3/table/{path}/{numbers(RELATIONS)['segments']}", "post", json={})
    check("statement of the data", lambda: own(ask(f"/sqleditor/view_data/start/{data}")))
    check("the data of a table", lambda: polled(data))


client("pgAdmin", importlib.metadata.version("pgadmin4"))
check("connects", server)
if base:
    for exercise in (databases, tree, search, queries):
        check(f"{exercise.__name__}, to the end", exercise)
done()
os._exit(0)  # its threads would go on
