"""Answers for oracle/cac, with exact fractions rounded half away from zero.

`python tests/oracle/generate/cac.py > tests/oracle/cac/cases.csv`
"""

import csv
import random
import sys
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

random.seed(19)


def cac(cents, customers):
    if customers == 0:
        return ""
    exact = Fraction(cents, 100) / customers
    scaled = exact * 10_000
    whole = int(abs(scaled) + Fraction(1, 2))
    return str((Decimal(whole if scaled >= 0 else -whole) / 10_000).quantize(Decimal("0.0001"), ROUND_HALF_UP))


CASES = [(1_000_000, 200), (1_000_000, 500), (1_000_000, 0), (0, 3), (-100, 3), (1, 200), (-1, 200)]
CASES += [(random.randint(-10**9, 10**12), random.randint(0, 5000)) for _ in range(80)]

def double(spend, customers):
    """The double precision nearest to the exact quotient, which is what a division of two of them gives."""
    return "" if customers == 0 else repr(float(Fraction(spend) / customers)).removesuffix(".0")


DOUBLES = [(10.0, 4), (0.0, 3), (-0.1, 3), (1e-300, 7), (1e300, 3), (10.0, 0)]
DOUBLES += [(random.uniform(-1e6, 1e9), random.randint(0, 5000)) for _ in range(40)]

out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow(["spend", "type", "customers", "expected"])
for cents, customers in CASES:
    out.writerow([Decimal(cents) / 100, "numeric(18,2)", customers, cac(cents, customers)])
for spend, customers in DOUBLES:
    out.writerow([repr(spend), "double precision", customers, double(spend, customers)])
