"""Answers for oracle/lifecycle_stage: the default model's table, written out as conditions.

`python tests/oracle/generate/lifecycle_stage.py > tests/oracle/lifecycle_stage/cases.csv`
"""

import csv
import random
import sys
from datetime import date, timedelta

random.seed(17)
AS_OF = date(2026, 6, 30)


def stage(orders, silence, identified, recent, nps, referrals, returned, closed):
    if closed:
        return "terminated"
    if orders >= 1 and silence >= 180:
        return "lapsed"
    if orders >= 1 and silence >= 90:
        return "at_risk"
    active = orders >= 1 and silence < 90
    if active and ((nps is not None and nps >= 9) or referrals >= 1):
        return "advocacy"
    if active and orders >= 4 and recent >= 3:
        return "loyalty"
    if active and returned is not None and returned < 90:
        return "won_back"
    if active and orders >= 2:
        return "retention"
    if active and orders == 1:
        return "conversion"
    return "acquisition" if identified else "awareness"


def day(age):
    return "" if age is None else f"date '{AS_OF - timedelta(days=age)}'"


out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow(["orders", "last_order_at", "identified", "recent", "nps", "referrals", "returned_at", "closed", "expected"])
for number in range(200):
    orders = random.choice([0, 0, 1, 1, 2, 3, 4, 5, 20])
    silence = random.choice([0, 1, 45, 89, 90, 91, 179, 180, 181, 400]) if orders else None
    identified = random.choice([True, False])
    recent = random.randint(0, min(orders, 5))
    nps = random.choice([None, None, None, 0, 6, 8, 9, 10])
    referrals = random.choice([0, 0, 0, 0, 1, 3])
    returned = random.choice([None, None, 0, 45, 89, 90, 200]) if orders > 1 else None
    closed = random.random() < 0.1
    expected = stage(orders, silence, identified, recent, nps, referrals, returned, closed)
    truths = [str(identified).lower(), str(closed).lower()]
    nps = "" if nps is None else nps
    out.writerow([orders, day(silence), truths[0], recent, nps, referrals, day(returned), truths[1], expected])
