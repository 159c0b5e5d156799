"""The yardstick for deterministic identity resolution, Parquet to clusters, in DuckDB.

    python identity_duckdb.py generate FOLDER RECORDS     made-up records of a quarter as many people, in four sources
    python identity_duckdb.py unionfind FOLDER            normalise and join in SQL, components in numpy
    python identity_duckdb.py recursive FOLDER            the same, components by WITH RECURSIVE ... USING KEY

All print the number of clusters and the sum of the squares of their sizes. What is spared here: ids that stay from run to
run, the time of each identifier, limits, reasons of joins; normalisation is a macro for the spellings that the generator makes.
(pip install duckdb==2.0.0 numpy)
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import duckdb
import numpy as np

FILES = 8
SOURCES = {
    "contacts": ["email", "phone"],
    "accounts": ["user_id", "email"],
    "orders": ["user_id", "email"],
    "logins": ["user_id", "device"],
}
TYPES = ["user_id", "email", "phone", "device"]

# Every person has an address or two, a number that two of a hundred share with somebody else, an account, and a device
# that one of a thousand shares. A third of the orders are of guests.
MACROS = """
CREATE MACRO dice(i, salt, sides) AS (hash(i * 131 + salt) % sides)::BIGINT;
CREATE MACRO who(i, people, salt) AS dice(i, salt, people);
CREATE MACRO address(p, i) AS
    'person' || p || CASE WHEN dice(i, 1, 10) < 2 THEN '.work@office' || p % 977 || '.example' ELSE '@mail.example' END;
CREATE MACRO spelt(text, i) AS CASE WHEN dice(i, 2, 100) < 12 THEN upper(text) WHEN dice(i, 2, 100) < 16 THEN ' ' || text || ' ' ELSE text END;
CREATE MACRO line(p) AS 30000000 + CASE WHEN dice(p, 3, 100) < 2 THEN p - p % 2 ELSE p END;
CREATE MACRO dialled(n, i) AS CASE dice(i, 4, 5)
    WHEN 0 THEN '+49 30 ' || n WHEN 1 THEN '030/' || n WHEN 2 THEN '0049 30 ' || n
    WHEN 3 THEN '030 ' || (n::TEXT)[1:4] || ' ' || (n::TEXT)[5:] ELSE '(030) ' || n END;
CREATE MACRO gadget(p, i) AS 'd' || CASE WHEN dice(p, 5, 1000) < 1 THEN p - p % 2 ELSE p END || '-' || dice(i, 6, 2);
"""
VALUES = {
    "contacts": "spelt(address(p, i), i) AS email, CASE WHEN dice(i, 7, 10) < 7 THEN dialled(line(p), i) END AS phone",
    "accounts": "'u' || p AS user_id, spelt(address(p, i), i) AS email",
    "orders": "CASE WHEN dice(i, 7, 3) > 0 THEN 'u' || p END AS user_id, spelt(address(p, i), i) AS email",
    "logins": "CASE WHEN dice(i, 7, 2) > 0 THEN 'u' || p END AS user_id, gadget(p, i) AS device",
}
NORMAL = {
    "user_id": "nullif(trim(user_id), '')",
    "device": "nullif(trim(device), '')",
    "email": r"CASE WHEN regexp_full_match(lower(trim(email)), '[^@\s]+@([^@\s.]+\.)+[^@\s.]+') THEN lower(trim(email)) END",
    "phone": """CASE WHEN regexp_replace(phone, '[^0-9+]', '', 'g') LIKE '+%' THEN regexp_replace(phone, '[^0-9+]', '', 'g')
        WHEN regexp_replace(phone, '[^0-9]', '', 'g') LIKE '00%' THEN '+' || (regexp_replace(phone, '[^0-9]', '', 'g'))[3:]
        WHEN regexp_replace(phone, '[^0-9]', '', 'g') LIKE '0%' THEN '+49' || (regexp_replace(phone, '[^0-9]', '', 'g'))[2:] END""",
}


def connect(folder):
    db = duckdb.connect()
    work = Path(folder) / "tmp"
    db.execute(f"""SET memory_limit = '8GB'; SET threads = {os.cpu_count()}; SET temp_directory = '{work}';
        SET preserve_insertion_order = false; {MACROS}""")
    return db


def generate(folder, records):
    db, folder = connect(folder), Path(folder)
    each, people = records // 4, max(records // 4, 1)
    for number, (source, values) in enumerate(VALUES.items()):
        (folder / source).mkdir(parents=True, exist_ok=True)
        for file in range(FILES):
            first, last = each * file // FILES, each * (file + 1) // FILES
            db.execute(f"""COPY (
                SELECT '{source}-' || n AS id, {values}, TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(dice(i, 8, 150000000)) AS at
                FROM (SELECT n, n * 4 + {number} AS i, who(n * 4 + {number}, {people}, 9) AS p FROM range({first}, {last}) t(n)))
                TO '{folder / source}/{file}.parquet' (FORMAT parquet, COMPRESSION zstd)""")
    print(json.dumps({"records": each * 4}))


def edges(db, folder):
    """Nodes of values, each record with the node of its first value, and edges to its others."""
    parts = []
    for source, held in SOURCES.items():
        values = ", ".join(f"{NORMAL[t]} AS {t}" if t in held else f"NULL::TEXT AS {t}" for t in TYPES)
        parts.append(f"SELECT {values} FROM read_parquet('{folder}/{source}/*.parquet')")
    db.execute(f"CREATE TABLE seen AS {' UNION ALL '.join(parts)}")
    values = " UNION ".join(f"SELECT '{t}' AS type, {t} AS value FROM seen WHERE {t} IS NOT NULL" for t in TYPES)
    db.execute(f"CREATE TABLE nodes AS SELECT (row_number() OVER () - 1)::INTEGER AS node, * FROM ({values})")
    joins = " ".join(f"LEFT JOIN nodes n_{t} ON n_{t}.type = '{t}' AND n_{t}.value = seen.{t}" for t in TYPES)
    held = ", ".join(f"n_{t}.node AS {t}" for t in TYPES)
    anchor = f"coalesce({', '.join(f'n_{t}.node' for t in TYPES)})"
    db.execute(f"CREATE TABLE held AS SELECT {held}, {anchor} AS anchor FROM seen {joins}; DROP TABLE seen")
    pairs = " UNION ".join(f"SELECT anchor, {t} AS node FROM held WHERE {t} <> anchor" for t in TYPES)
    db.execute(f"CREATE TABLE edges AS {pairs}")


def components(count, left, right):
    """The least node of the component of each of `count` nodes: roots hook to smaller roots, pointers jump."""
    label = np.arange(count, dtype=np.int32)
    while len(left):
        a, b = label[left], label[right]
        np.minimum.at(label, np.maximum(a, b), np.minimum(a, b))
        while (label[label] != label).any():
            label = label[label]
        apart = label[left] != label[right]
        left, right = left[apart], right[apart]
    return label


def tell(db, labels, since):
    clusters, squares = db.execute(f"""SELECT count(*), sum(size * size)::BIGINT FROM (
        SELECT count(*) AS size FROM held JOIN {labels} ON {labels}.node = anchor GROUP BY label)""").fetchone()
    seconds = round(time.perf_counter() - since, 2)
    print(json.dumps({"clusters": clusters, "squares": squares, "seconds": seconds}))


def unionfind(folder):
    since = time.perf_counter()
    db = connect(folder)
    edges(db, folder)
    count = db.execute("SELECT count(*) FROM nodes").fetchone()[0]
    pairs = db.execute("FROM edges").fetchnumpy()
    label = components(count, pairs["anchor"], pairs["node"])
    db.register("labels", {"node": np.arange(count, dtype=np.int32), "label": label})
    tell(db, "labels", since)


def recursive(folder):
    since = time.perf_counter()
    db = connect(folder)
    edges(db, folder)
    db.execute("""
        CREATE TABLE directed AS SELECT anchor AS a, node AS b FROM edges UNION ALL SELECT node, anchor FROM edges;
        CREATE TABLE labels AS
        WITH RECURSIVE cc(node, label) USING KEY (node) AS (
            SELECT node, node AS label FROM nodes
            UNION
            SELECT b AS node, min(cc.label) AS label
            FROM cc JOIN directed ON cc.node = a JOIN recurring.cc AS known ON known.node = b
            WHERE cc.label < known.label GROUP BY b)
        FROM cc""")
    tell(db, "labels", since)


if __name__ == "__main__":
    mode, folder, *rest = sys.argv[1:]
    if mode == "generate":
        generate(folder, int(rest[0]))
    else:
        {"unionfind": unionfind, "recursive": recursive}[mode](folder)
    shutil.rmtree(Path(folder) / "tmp", ignore_errors=True)
