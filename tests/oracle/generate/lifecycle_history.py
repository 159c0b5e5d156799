"""Answers for the oracles over lifecycle_history, worked out from the unified intervals of the small demo, one customer at a time.

    python tests/oracle/generate/lifecycle_history.py DEMO_FOLDER FUNCTION > tests/oracle/FUNCTION/cases.csv      (pip install duckdb==2.0.0)

FUNCTION is lifecycle_at, stage_transitions, lifecycle_funnel or time_in_stage. DEMO_FOLDER is made and unified by
`perennial demo --customers 300 --seed 7 --no-serve --dir DEMO_FOLDER`. Of the unified tables only the intervals are read, by DuckDB;
everything is counted here. The demo describes 2026-07-01, so the answers do not change with the day on which they are compared.
"""

import csv
import glob
import hashlib
import random
import statistics
import sys
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import duckdb

LAKE_ZONE = "Europe/Berlin"
DAY = 86_400_000_000
PRESENT = int(datetime.fromisoformat("2026-07-01T00:00:00+02:00").timestamp()) * 1_000_000
FUNNEL = ["awareness", "acquisition", "conversion", "retention", "loyalty", "advocacy"]
STAGES = ["terminated", "lapsed", "at_risk", "advocacy", "loyalty", "won_back", "retention", "conversion", "acquisition", "awareness"]

ROWS = duckdb.sql(
    f"""SELECT customer_id, stage, epoch_us(entered_at), epoch_us(left_at), previous_stage
        FROM read_parquet({glob.glob(sys.argv[1] + "/lake/_perennial/data/lifecycle_history/*.parquet")})"""
).fetchall()
CUSTOMERS = defaultdict(list)
for customer, stage, entered, left, previous in ROWS:
    CUSTOMERS[customer].append((entered, left, stage, previous))
for intervals in CUSTOMERS.values():
    intervals.sort()

PERIODS = {
    "day": (lambda day: day.toordinal(), date.fromordinal),
    "week": (lambda day: (day - timedelta(day.weekday())).toordinal() // 7, lambda number: date.fromordinal(number * 7 + 1)),
    "month": (lambda day: day.year * 12 + day.month - 1, lambda number: date(number // 12, number % 12 + 1, 1)),
    "quarter": (lambda day: day.year * 4 + (day.month - 1) // 3, lambda number: date(number // 4, number % 4 * 3 + 1, 1)),
    "year": (lambda day: day.year, lambda number: date(number, 1, 1)),
}


def local_day(micros, zone):
    return datetime.fromtimestamp(micros // 1_000_000, ZoneInfo(zone or LAKE_ZONE)).date()


def decimals(number):
    return "-" if number is None else str(Decimal(number).quantize(Decimal("0.001")))


def at(moment):
    if moment > PRESENT:
        return ""
    found = defaultdict(list)
    for customer, intervals in CUSTOMERS.items():
        for entered, left, stage, previous in intervals:
            if entered <= moment and (left is None or moment < left):
                found[stage].append((customer, previous or "-", (moment - entered) / DAY))
    parts = []
    for stage in sorted(found):
        customers = sorted(found[stage])
        names = ",".join(customer + previous for customer, previous, _ in customers)
        days = decimals(sum(days for _, _, days in customers))
        parts.append(f"{stage} {len(customers)} {days} {hashlib.md5(names.encode()).hexdigest()}")
    return " ".join(parts)


def transitions(by, zone, former, stage, first, last):
    number, start = PERIODS[by]
    moves = defaultdict(list)
    lowest = None
    for customer, intervals in CUSTOMERS.items():
        for entered, _, to, previous in intervals:
            period = number(local_day(entered, zone))
            lowest = period if lowest is None else min(lowest, period)
            if (previous or "") == former and to == stage:
                moves[period].append(customer)
    today = local_day(PRESENT, zone)
    parts = []
    for period in range(lowest, number(today) + 1):
        if number(first) <= period <= number(last):
            complete = "true" if start(period + 1) <= today else "false"
            parts.append(f"{start(period)} {len(moves[period])} {len(set(moves[period]))} {complete}")
    return ", ".join(parts)


def funnel(stages, zone, first, last):
    order = [stage.strip() for stage in stages.split(",")] if stages else FUNNEL
    shown = [
        intervals
        for intervals in CUSTOMERS.values()
        if (first is None or local_day(intervals[0][0], zone) >= first) and (last is None or local_day(intervals[0][0], zone) <= last)
    ]
    parts = []
    for place, stage in enumerate(order):
        reached = [(intervals, min(e for e, _, s, _ in intervals if s == stage)) for intervals in shown if any(s == stage for _, _, s, _ in intervals)]
        if place + 1 == len(order):
            parts.append(f"{stage} {len(reached)} - - -")
            continue
        waits = []
        for intervals, since in reached:
            later = [e for e, _, s, _ in intervals if s == order[place + 1] and e >= since]
            if later:
                waits.append((min(later) - since) / DAY)
        ratio = len(waits) / len(reached) if reached else None
        median = statistics.median(waits) if waits else None
        parts.append(f"{stage} {len(reached)} {len(waits)} {decimals(ratio)} {decimals(median)}")
    return ", ".join(parts)


def in_stage(by, zone, day):
    number, _ = PERIODS[by]
    of_cohort = [intervals for intervals in CUSTOMERS.values() if number(local_day(intervals[0][0], zone)) == number(day)]
    if not of_cohort:
        return ""
    parts = []
    for stage in sorted(STAGES):
        ended, spans, open_ones, customers = [], [], 0, 0
        for intervals in of_cohort:
            own = [(e, left) for e, left, s, _ in intervals if s == stage]
            customers += bool(own)
            for entered, left in own:
                spans.append(((PRESENT if left is None else left) - entered) / DAY)
                if left is None:
                    open_ones += 1
                else:
                    ended.append(spans[-1])
        mean = sum(ended) / len(ended) if ended else None
        median = statistics.median(ended) if ended else None
        parts.append(f"{stage} {customers} {len(spans)} {open_ones} {decimals(sum(spans))} {decimals(mean)} {decimals(median)}")
    return ", ".join(parts)


def main():
    stream = random.Random(29)
    zones = ["", "", "UTC", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland"]
    out = csv.writer(sys.stdout, lineterminator="\n")
    name = sys.argv[2]
    if name == "lifecycle_at":
        out.writerow(["ts", "expected"])
        edges = stream.sample([row[2] for row in ROWS], 25)
        moments = edges + [edge - 1 for edge in edges[:10]] + [edge + 1 for edge in edges[:5]]
        moments += [stream.randrange(1_672_527_600_000_000, PRESENT) for _ in range(20)] + [PRESENT, PRESENT + 1, 0]
        for moment in moments:
            text = datetime.fromtimestamp(moment // 1_000_000, ZoneInfo("UTC")).strftime("%Y-%m-%d %H:%M:%S")
            out.writerow([f"{text}.{moment % 1_000_000:06d}+00", at(moment)])
    elif name == "stage_transitions":
        out.writerow(["by", "zone", "former", "stage", "first", "last", "expected"])
        pairs = sorted({(row[4] or "", row[1]) for row in ROWS}) + [("terminated", "awareness"), ("", "loyalty")]
        for by, count in (("month", 30), ("quarter", 20), ("week", 20), ("year", 10), ("day", 10)):
            for _ in range(count):
                zone, (former, stage) = stream.choice(zones), stream.choice(pairs)
                first = date(2023, 1, 1) + timedelta(stream.randrange(1250))
                last = first + timedelta(stream.randrange(5, {"day": 30, "week": 200}.get(by, 800)))
                out.writerow([by, zone, former, stage, first, last, transitions(by, zone, former, stage, first, last)])
    elif name == "lifecycle_funnel":
        out.writerow(["first", "last", "stages", "zone", "expected"])
        lists = ["", "", "", "conversion,at_risk,won_back", "retention, at_risk, lapsed", "loyalty"]
        for case in range(40):
            zone, stages = stream.choice(zones), stream.choice(lists)
            first = date(2023, 1, 1) + timedelta(stream.randrange(1250)) if case and stream.random() < 0.7 else None
            last = (first or date(2024, 1, 1)) + timedelta(stream.randrange(5, 500)) if case and stream.random() < 0.7 else None
            shown = [first or "", last or "", stages, zone]
            out.writerow([*shown, funnel(stages, zone, first, last)])
    else:
        out.writerow(["by", "zone", "day", "expected"])
        for by, count in (("month", 20), ("quarter", 15), ("year", 8), ("week", 10), ("day", 5)):
            for _ in range(count):
                zone, day = stream.choice(zones), date(2023, 1, 1) + timedelta(stream.randrange(1277))
                out.writerow([by, zone, day, in_stage(by, zone, day)])


main()
