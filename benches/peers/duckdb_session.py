"""DuckDB, one statement a line: {"sql": …} on standard input, {"rows": [[text or null, …], …]} or {"error": …} back."""

import json
import sys

import duckdb

connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
for line in sys.stdin:
    try:
        cursor = connection.execute(json.loads(line)["sql"])
        rows = [[None if value is None else str(value) for value in row] for row in cursor.fetchall()]
        answer = {"rows": rows}
    except duckdb.Error as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
