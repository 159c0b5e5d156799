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

# Not strict: what is no score is as if it had not been given.
LENIENT = [[11], [10, 11, -1, 7], [7.5, 9, 0]]
LENIENT += [
    [random.choice([None, -1, 11, 7.5, 0.5, 99, *range(11)]) for _ in range(random.randint(1, 60))] for _ in range(40)
]


def cell(score, sql_type):
    return f"(CAST({'NULL' if score is None else score} AS {sql_type}))"


out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow(["answers", "strict", "expected"])
for cases, strict, sql_type in [(CASES, "true", "bigint"), (LENIENT, "false", "numeric(5,1)")]:
    for scores in cases:
        rows = ", ".join(cell(score, sql_type) for score in scores)
        valid = [score for score in scores if score is None or score in range(11)]
        answer = nps(valid)
        out.writerow([rows, strict, "" if answer is None else repr(float(answer))])
