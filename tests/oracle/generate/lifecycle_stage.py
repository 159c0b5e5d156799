"""Answers for oracle/lifecycle_stage: the default model's table, written out as conditions.

`python tests/oracle/generate/lifecycle_stage.py > tests/oracle/lifecycle_stage/cases.csv`
"""

import csv
import random
import sys
from datetime import date, timedelta

random.seed(17)
AS_OF = date(2026, 6, 30)


def stage(orders, silence, identified, recent, nps, referrals, returned, closed, active_days=90, lapse_days=180):
    if closed:
        return "terminated"
    if orders >= 1 and silence >= lapse_days:
        return "lapsed"
    if orders >= 1 and silence >= active_days:
        return "at_risk"
    active = orders >= 1 and silence < active_days
    if active and ((nps is not None and nps >= 9) or referrals >= 1):
        return "advocacy"
    if active and orders >= 4 and recent >= 3:
        return "loyalty"
    if active and returned is not None and returned < active_days:
        return "won_back"
    if active and orders >= 2:
        return "retention"
    if active and orders == 1:
        return "conversion"
    return "acquisition" if identified else "awareness"


def day(age):
    return "" if age is None else f"date '{AS_OF - timedelta(days=age)}'"


def days(length):
    return "" if length is None else f"interval '{length} days'"


out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow(
    ["orders", "last_order_at", "identified", "recent", "nps", "referrals", "returned_at", "closed", "active", "lapse", "expected"]
)
for number in range(300):
    orders = random.choice([0, 0, 1, 1, 2, 3, 4, 5, 20])
    silence = random.choice([0, 1, 45, 89, 90, 91, 179, 180, 181, 400]) if orders else None
    identified = random.choice([True, False])
    recent = random.randint(0, min(orders, 5))
    nps = random.choice([None, None, None, 0, 6, 8, 9, 10])
    referrals = random.choice([0, 0, 0, 0, 1, 3])
    returned = random.choice([None, None, 0, 45, 89, 90, 200]) if orders > 1 else None
    closed = random.random() < 0.1
    # The first 200 leave the windows out.
    active = random.choice([None, 30, 46, 90, 91]) if number >= 200 else None
    lapse = random.choice([None, 91, 180, 181, 365]) if number >= 200 else None
    expected = stage(
        orders, silence, identified, recent, nps, referrals, returned, closed, active or 90, lapse or 180
    )
    truths = [str(identified).lower(), str(closed).lower()]
    nps = "" if nps is None else nps
    out.writerow([orders, day(silence), truths[0], recent, nps, referrals, day(returned), truths[1], days(active), days(lapse), expected])
