"""Answers for oracle/cohort_retention, worked out from the unified orders of the small demo, one customer at a time.

    python tests/oracle/generate/cohort_retention.py DEMO_FOLDER > tests/oracle/cohort_retention/cases.csv      (pip install duckdb==2.0.0)

DEMO_FOLDER is made and unified by `perennial demo --customers 300 --seed 7 --no-serve --dir DEMO_FOLDER`. Of the unified tables only
the orders are read, by DuckDB; cohorts, periods, sums and ratios are counted here. The demo describes 2026-07-01: a period that has not
ended by then, in the zone asked for, has no ratio, whatever the day on which the answers are compared.
"""

import csv
import glob
import random
import sys
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import duckdb

LAKE_ZONE = "Europe/Berlin"
SHOWN_PERIODS = 50
PRESENT = datetime.fromisoformat("2026-07-01T00:00:00+02:00")

ORDERS = duckdb.sql(
    f"""SELECT customer_id, epoch_us(time), amount, refunded
        FROM read_parquet({glob.glob(sys.argv[1] + "/lake/_perennial/data/orders/*.parquet")})
        WHERE customer_id IS NOT NULL AND paid AND (refunded = 0 OR refunded < amount)"""
).fetchall()

# By the name of a period: the running number of the one that a day lies in, and the first day of the one with a number.
PERIODS = {
    "day": (lambda day: day.toordinal(), date.fromordinal),
    "week": (lambda day: (day - timedelta(day.weekday())).toordinal() // 7, lambda number: date.fromordinal(number * 7 + 1)),
    "month": (lambda day: day.year * 12 + day.month - 1, lambda number: date(number // 12, number % 12 + 1, 1)),
    "quarter": (lambda day: day.year * 4 + (day.month - 1) // 3, lambda number: date(number // 4, number % 4 * 3 + 1, 1)),
    "year": (lambda day: day.year, lambda number: date(number, 1, 1)),
}


def cohorts(by, zone):
    """The number of the newest period, which is at least the present one, and by cohort the orders of each of its customers: (period, net revenue)."""
    number, _ = PERIODS[by]
    placed = defaultdict(list)
    for customer, micros, amount, refunded in ORDERS:
        local = datetime.fromtimestamp(micros // 1_000_000, ZoneInfo(zone))
        placed[customer].append((number(local.date()), amount - refunded))
    found = defaultdict(list)
    for orders in placed.values():
        first = min(at for at, _ in orders)
        found[first].append([(at - first, revenue) for at, revenue in orders])
    present = number(PRESENT.astimezone(ZoneInfo(zone)).date())
    return max([present, *(at for orders in placed.values() for at, _ in orders)]), found


def value(customers, period, measure, mode):
    counts = {
        "bounded": lambda at: at == period,
        "unbounded": lambda at: at >= period,
        "rolling": lambda at: 1 <= at <= period if period else at == 0,
    }[mode]
    active = [[revenue for at, revenue in orders if counts(at)] for orders in customers]
    if measure == "customers":
        return Decimal(sum(bool(orders) for orders in active))
    if measure == "orders":
        return Decimal(sum(map(len, active)))
    return sum((revenue for orders in active for revenue in orders), Decimal(0))


def rounded(number):
    number = Fraction(number)
    exact = Decimal(number.numerator * 10**12 // number.denominator).scaleb(-12)
    return str(exact.quantize(Decimal("0.0001"), ROUND_HALF_UP))


def answer(by, zone, day, measure, mode, shown):
    last, found = cohorts(by, zone or LAKE_ZONE)
    number, start = PERIODS[by]
    cohort = number(day)
    if cohort not in found:
        return ""
    customers = found[cohort]
    periods = range(min(last - cohort + 1, SHOWN_PERIODS))
    values = [value(customers, period, measure, mode) for period in periods]
    if shown == "ratio":
        base = Decimal(len(customers)) if measure == "customers" else values[0]
        today = PRESENT.astimezone(ZoneInfo(zone or LAKE_ZONE)).date()
        ends = [start(cohort + period + 1) for period in periods]
        values = [Fraction(value) / Fraction(base) if end <= today else None for value, end in zip(values, ends)]
    numbers = " ".join("-" if value is None else rounded(value) for value in values)
    return f"{start(cohort)} {start(cohort + periods[-1])} {len(customers)} {numbers}"


def main():
    stream = random.Random(23)
    cases = [
        ("quarter", "", start, measure, mode, "value")
        for start in (date(2023, 5, 17), date(2023, 12, 31))
        for measure in ("customers", "orders", "revenue")
        for mode in ("bounded", "unbounded", "rolling")
    ]
    for by, count in (("quarter", 25), ("month", 30), ("year", 10), ("week", 15), ("day", 4)):
        for _ in range(count):
            zone = stream.choice(["", "", "UTC", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland"])
            last, found = cohorts(by, zone or LAKE_ZONE)
            _, start = PERIODS[by]
            first = stream.choice(sorted(found))
            day = start(first) + timedelta(stream.randrange((start(first + 1) - start(first)).days))
            if stream.random() < 0.05:
                day -= timedelta(1000)
            shown = "value" if by == "year" else stream.choice(["value", "ratio"])
            measure, mode = stream.choice(["customers", "orders", "revenue"]), stream.choice(["bounded", "unbounded", "rolling"])
            cases.append((by, zone, day, measure, mode, shown))
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["by", "zone", "day", "measure", "mode", "shown", "expected"])
    for by, zone, day, measure, mode, shown in cases:
        out.writerow([by, zone, day, measure, mode, shown, answer(by, zone, day, measure, mode, shown)])


main()
