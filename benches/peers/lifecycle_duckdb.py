"""The yardstick for the sweep of the stage model: the default model as window functions over change points, on DuckDB.

    python lifecycle_duckdb.py CUSTOMERS        (pip install duckdb==2.0.0)

Makes the facts of benches/lifecycle.rs from the same numbers, in memory; then measures the statement that makes all intervals of
all customers into a table. Prints the numbers of facts and intervals, a sum that tells intervals apart, wall and processor seconds.
The windows are 90 and 180 days. Running totals over a RANGE frame are the same for all change points of a moment, which need no
grouping for it. What the model does besides: versions, refunds, subscriptions, reasons, rules from a configuration.
"""

import resource
import sys
import time

import duckdb

CUSTOMERS = int(sys.argv[1])
DAY = 86_400_000_000
START = 1_451_606_400_000_000
END = START + 3_652 * DAY

base = duckdb.connect()
base.execute("SET threads = 2")
run = base.execute
step = "((({}::UHUGEINT * 6364136223846793005::UHUGEINT + 1442695040888963407::UHUGEINT) % 18446744073709551616::UHUGEINT) >> 20)"
run(f"CREATE MACRO mix(c, k) AS {step.format(step.format('(c::BIGINT * 1000003 + k * 7919 + 7)'))}::UBIGINT")
run(f"CREATE MACRO moment(c, k, f) AS f + (mix(c, k) % ({END} - f)::UBIGINT)::BIGINT")
run(f"""CREATE TABLE customers AS
    SELECT c::INTEGER AS customer, first, CASE WHEN mix(c, 1) % 5 <> 0 THEN first + (mix(c, 2) % {30 * DAY})::BIGINT END AS identified
    FROM (SELECT range AS c, {START} + (mix(range, 0) % {2500 * DAY})::BIGINT AS first FROM range({CUSTOMERS}))""")
run("""CREATE TABLE bought AS
    SELECT customer, moment(customer, 100 + n, first) AS time
    FROM (SELECT customer, first, unnest(range([0, 0, 1, 1, 2, 3, 5, 8, 15, 30, 60][(mix(customer, 3) % 11)::INTEGER + 1])) AS n FROM customers)""")
run("""CREATE TABLE scored AS
    SELECT customer, moment(customer, 200 + n, first) AS time, (mix(customer, 300 + n) % 11)::INTEGER AS score
    FROM (SELECT customer, first, unnest(range((mix(customer, 4) % 3)::BIGINT)) AS n FROM customers)""")
run("CREATE TABLE promoted AS SELECT customer, moment(customer, 505, first) AS time FROM customers WHERE mix(customer, 405) % 5 = 0")
run("CREATE TABLE closed AS SELECT customer, moment(customer, 520, first) AS time FROM customers WHERE mix(customer, 420) % 20 = 0")
facts = sum(run(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ["customers", "bought", "scored", "promoted", "closed"])
facts += run("SELECT count(identified) FROM customers").fetchone()[0]


def days(n):
    return n * DAY


# Every moment at which the stage may change, with what it adds to what is known. An order that another follows in time makes no
# silence.
POINTS = [
    "first AS time FROM customers",
    "identified AS time, true AS known FROM customers WHERE identified IS NOT NULL",
    f"time, time AS ordered, 1 AS orders, 1 AS recent, CASE WHEN time - before > {days(180)} THEN time END AS returned FROM paid",
    f"time + {days(90)} AS time FROM paid WHERE next IS NULL OR next > time + {days(90)}",
    f"time + {days(180)} AS time FROM paid WHERE next IS NULL OR next > time + {days(180)}",
    f"time + {days(365)} AS time, -1 AS recent FROM paid",
    "time, time AS closed FROM closed",
    "time, 1 AS referrals FROM promoted",
    f"time + {days(365)} AS time, -1 AS referrals FROM promoted",
    "time, time * 16 + score AS answer FROM scored",
    f"time + {days(365)} AS time FROM scored",
]
STATEMENT = f"""
    CREATE TABLE intervals AS
    WITH paid AS (
        SELECT customer, time, lag(time) OVER w AS before, lead(time) OVER w AS next
        FROM bought WINDOW w AS (PARTITION BY customer ORDER BY time)),
    points AS (
        SELECT * FROM ({' UNION ALL BY NAME '.join(f'SELECT customer, {point}' for point in POINTS)}) WHERE time <= {END}),
    states AS (
        SELECT customer, time, sum(orders) OVER w AS orders, sum(recent) OVER w AS recent, sum(referrals) OVER w AS referrals,
            max(ordered) OVER w AS ordered, max(returned) OVER w AS returned, max(closed) OVER w AS closed,
            max(answer) OVER w AS answer, bool_or(known) OVER w AS known
        FROM points WINDOW w AS (PARTITION BY customer ORDER BY time RANGE UNBOUNDED PRECEDING)),
    stages AS (
        SELECT customer, time, (CASE
            WHEN closed >= coalesce(ordered, closed) THEN 0
            WHEN time - ordered >= {days(180)} THEN 1
            WHEN time - ordered >= {days(90)} THEN 2
            WHEN orders > 0 AND (answer % 16 >= 9 AND time - answer // 16 < {days(365)} OR referrals > 0) THEN 3
            WHEN orders >= 4 AND recent >= 3 THEN 4
            WHEN time - returned < {days(90)} THEN 5
            WHEN orders >= 2 THEN 6
            WHEN orders = 1 THEN 7
            WHEN known THEN 8
            ELSE 9 END)::TINYINT AS stage
        FROM states),
    entered AS (
        SELECT *, lag(stage) OVER (PARTITION BY customer ORDER BY time) AS previous_stage
        FROM stages QUALIFY stage IS DISTINCT FROM previous_stage)
    SELECT customer, stage, time AS entered_at, previous_stage, lead(time) OVER (PARTITION BY customer ORDER BY time) AS left_at
    FROM entered"""


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


wall, cpu = time.monotonic(), used()
run(STATEMENT)
wall, cpu = time.monotonic() - wall, used() - cpu
intervals, total = run("""
    SELECT count(*), sum((customer % 1009 + 1)::HUGEINT * (stage + 1) * (entered_at % 1000003 + coalesce(left_at % 10007, 0) + 1))
    FROM intervals""").fetchone()
print(facts, intervals, int(total), f"{wall:.3f}", f"{cpu:.3f}")
