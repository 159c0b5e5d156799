"""The statements of a tool that is not here itself, played as it sends them. Its file begins with lines

    -- client NAME VERSION
    -- protocol simple | extended | extended binary

and has `-- part WORDS` and, for each statement that ends with an empty line, `-- == NAME`, and before the statement what is
to be known of it:

    -- with varchar orders     a parameter and its type, a line each
    -- without COLUMN …        columns whose values servers number, measure or grant by themselves
    -- without rows            names and types only
    -- in any order            its rows are sorted

`<<EXPRESSION>>` stands for a number that the server gives: an oid by `'orders'::regclass`."""

from transcript import check, client, done, part

import json
import re
import sys

import psycopg
from psycopg import pq

TYPES = {"unknown": 0, "text": 25, "varchar": 1043, "int4": 23, "int8": 20, "oid": 26}
# Below are the numbers that PostgreSQL gives to what it brings, which are the same everywhere.
FIRST_OF_USERS = 16384
connection = psycopg.connect(autocommit=True)


def number(found):
    return connection.execute(f"SELECT ({found[1]})::oid::text").fetchone()[0]


def send(protocol, statement, parameters):
    """The results of a statement as the server gives them."""
    filled = re.sub("<<(.+?)>>", number, statement).encode()
    if protocol == ["simple"]:
        connection.pgconn.send_query(filled)
    else:
        values = [re.sub("<<(.+?)>>", number, value).encode() for _, value in parameters]
        kinds = [TYPES[kind] for kind, _ in parameters]
        connection.pgconn.send_query_params(filled, values, kinds, result_format=pq.Format(protocol[-1] == "binary"))
    results = []
    while (result := connection.pgconn.get_result()) is not None:
        results.append(result)
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result)
    return results


def told(result, without, sort):
    """Names and types of columns, and the rows."""
    if result.status != pq.ExecStatus.TUPLES_OK:
        return result.command_status.decode()
    columns = range(result.nfields)
    names = [result.fname(column).decode() for column in columns]
    kept = [column for column in columns if names[column] not in without]
    rows = [[value(result, row, column) for column in kept] for row in range(result.ntuples) if without != ["rows"]]
    return [[[name, result.ftype(column)] for name, column in zip(names, columns)], sorted(rows, key=json.dumps) if sort else rows]


def value(result, row, column):
    found, binary = result.get_value(row, column), result.fformat(column) == pq.Format.BINARY
    if found is None:
        return None
    if result.ftype(column) == TYPES["oid"] and (int.from_bytes(found) if binary else int(found)) >= FIRST_OF_USERS:
        return "of a user's object"
    return f"bytes {found.hex()}" if binary else found.decode()


def play(protocol, name, lines):
    parameters, without, sort, statement = [], [], False, []
    for line in lines:
        match line.split(" ", 3):
            case ["--", "with", kind, *given]:
                parameters.append((kind, "".join(given)))
            case ["--", "without", *_]:
                without = line.split()[2:]
            case ["--", "in", "any", "order"]:
                sort = True
            case _:
                statement.append(line)
    check(name, lambda: [told(result, without, sort) for result in send(protocol, "\n".join(statement), parameters)])


def main(text):
    protocol = []
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        while lines and not lines[0].startswith("-- == "):
            match lines.pop(0).split():
                case ["--", "client", *name, version]:
                    client(" ".join(name), version)
                case ["--", "protocol", *protocol]:
                    pass
                case ["--", "part", *words]:
                    part(" ".join(words))
        if lines:
            play(protocol, lines[0].removeprefix("-- == "), lines[1:])
    done()


with open(sys.argv[1], encoding="utf-8") as file:
    main(file.read())
