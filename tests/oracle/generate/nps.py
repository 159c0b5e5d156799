"""Answers for oracle/nps, from the definition with exact fractions.

`python tests/oracle/generate/nps.py > tests/oracle/nps/cases.csv`
"""

import csv
import random
import sys
from fractions import Fraction

random.seed(7)


def nps(scores):
    scores = [score for score in scores if score is not None]
    if not scores:
        return None
    promoters = sum(score >= 9 for score in scores)
    detractors = sum(score <= 6 for score in scores)
    return Fraction(100 * (promoters - detractors), len(scores))


CASES = [
    list(range(11)),
    [10] * 100 + [8] * 30 + [3] * 80,
    [1, 8, 8, 10, 5, None, 9],
    [None],
    [0],
    [10],
    [7, 8],
]
CASES += [[random.choice([None, *range(11)]) for _ in range(random.randint(1, 60))] for _ in range(60)]

out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow(["answers", "expected"])
for scores in CASES:
    rows = ", ".join(f"(CAST({'NULL' if score is None else score} AS bigint))" for score in scores)
    answer = nps(scores)
    out.writerow([rows, "" if answer is None else repr(float(answer))])
