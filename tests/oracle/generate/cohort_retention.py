"""The answers of tests/slt/functions/retention/cohort_retention.slt, by DuckDB over the landed files of the small demo.

    python tests/oracle/generate/cohort_retention.py DEMO_FOLDER      (pip install duckdb==2.0.0 pytz)

DEMO_FOLDER is made and unified by `perennial demo --customers 300 --seed 7 --no-serve --dir DEMO_FOLDER`. Of the unified tables
only the orders are read; cohorts, periods and sums are worked out here, one customer at a time.
"""

import glob
import sys
from collections import defaultdict

import duckdb

rows = duckdb.sql(
    f"""SELECT customer_id, time AT TIME ZONE 'Europe/Berlin' AS local, amount, refunded
        FROM read_parquet({glob.glob(sys.argv[1] + "/lake/_perennial/data/orders/*.parquet")})
        WHERE customer_id IS NOT NULL AND paid AND (refunded = 0 OR refunded < amount)"""
).fetchall()


def quarter(moment):
    return moment.year * 4 + (moment.month - 1) // 3


placed = defaultdict(list)
for customer, local, amount, refunded in rows:
    placed[customer].append((quarter(local), amount - refunded))
last = max(number for orders in placed.values() for number, _ in orders)
cohorts = defaultdict(list)
for orders in placed.values():
    first = min(number for number, _ in orders)
    cohorts[first].append([(number - first, revenue) for number, revenue in orders])

for cohort in sorted(cohorts):
    for period in range(last - cohort + 1):
        customers = cohorts[cohort]
        bounded = sum(any(p == period for p, _ in orders) for orders in customers)
        unbounded = sum(any(p >= period for p, _ in orders) for orders in customers)
        rolling = len(customers) if period == 0 else sum(any(0 < p <= period for p, _ in orders) for orders in customers)
        orders = sum(p == period for of_customer in customers for p, _ in of_customer)
        revenue = sum(r for of_customer in customers for p, r in of_customer if p == period)
        start = f"{cohort // 4}-{cohort % 4 * 3 + 1:02}-01"
        print(start, period, len(customers), bounded, unbounded, rolling, orders, revenue)
