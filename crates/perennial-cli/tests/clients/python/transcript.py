"""The transcript of a suite: one line for each thing that a client observes.

What two servers answer is compared line by line, so an answer is written with the type that the client gives it.
A suite imports this before anything else: see sys.path below.
"""

import json
import math
import os
import re
import sys
from collections.abc import Sequence
from urllib.parse import quote

sys.path.append(sys.path.pop(0))  # suites have the names of the packages that they are for

# A query that does not end by itself.
ENDLESS = "SELECT count(*) FROM generate_series(1, 90000) AS a(x), generate_series(1, 90000) AS b(y), generate_series(1, 90000) AS c(z) WHERE x + y + z = 0"


def client(name, version):
    print(f"client {name} {version}", flush=True)


def part(words):
    print(f"part {words}", flush=True)


def done():
    print("done", flush=True)


def url(scheme="postgresql", **options):
    """The connection string of the server under test."""
    env = {name: quote(os.environ[f"PG{name.upper()}"], safe="") for name in ("host", "port", "user", "password", "database")}
    tail = "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items()) if options else ""
    return f"{scheme}://{env['user']}:{env['password']}@{env['host']}:{env['port']}/{env['database']}{tail}"


def check(name, ask):
    """Tells what `ask()` answers."""
    try:
        _tell("check", name, text(ask()))
    except Exception as error:
        _tell("failed", name, refusal(error))


def refused(name, ask):
    """Tells the error of the server with which `ask()` ends."""
    try:
        _tell("failed", name, f"answered {text(ask())}")
    except Exception as error:
        _tell("refused" if fields(error) else "failed", name, refusal(error))


async def acheck(name, ask):
    """As `check`, of something to be awaited."""
    try:
        answer = await ask
        check(name, lambda: answer)
    except Exception as error:
        _tell("failed", name, refusal(error))


async def arefused(name, ask):
    """As `refused`, of something to be awaited."""
    try:
        _tell("failed", name, f"answered {text(await ask)}")
    except Exception as error:
        _tell("refused" if fields(error) else "failed", name, refusal(error))


def _tell(outcome, name, answer):
    print(f"{outcome} {name}\t{answer}", flush=True)


def text(value):
    """A value as JSON on one line. What JSON does not have is a text that begins with the name of its type."""
    return json.dumps(plain(value), ensure_ascii=False)


def plain(value):
    match value:
        case None | bool() | str():
            return value
        case int() if type(value) is int:
            return value
        case float() if type(value) is float and math.isfinite(value):
            return value
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case bytes() | bytearray() | memoryview():
            return f"bytes {bytes(value).hex()}"
        case set() | frozenset():
            return sorted(map(plain, value), key=repr)
        case Sequence():
            return [plain(item) for item in value]
        case _:
            return f"{type(value).__name__} {value}"


def fields(error):
    """What the server said, as (SQLSTATE, message, detail, hint, position), or None when it was not the server."""
    while error is not None:
        if (diag := getattr(error, "diag", None)) is not None and diag.sqlstate:
            return diag.sqlstate, diag.message_primary, diag.message_detail, diag.message_hint, diag.statement_position
        if getattr(error, "sqlstate", None) and hasattr(error, "query") and hasattr(error, "position"):
            return error.sqlstate, error.message, error.detail, error.hint, error.position
        if error.args and isinstance(error.args[0], dict) and "C" in error.args[0]:
            told = error.args[0]
            return told["C"], told["M"], told.get("D"), told.get("H"), told.get("P")
        if type(error).__module__ == "pyodbc" and (said := re.search(r"(?:ERROR|FATAL): +(.+?)(?:;?\n|$)", error.args[1])):
            return error.args[0], said[1], None, None, None
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__
    return None


def refusal(error):
    if told := fields(error):
        code, message, *rest = told
        named = zip(("DETAIL", "HINT", "POSITION"), rest)
        line = " | ".join([f"{code} {message}", *(f"{name} {value}" for name, value in named if value)])
    else:
        line = f"{type(error).__name__}: {error}"
    return line.replace("\t", " ").replace("\n", "\\n")
