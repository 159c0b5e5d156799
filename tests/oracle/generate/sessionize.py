"""Answers for oracle/sessionize: for each row, how many longer gaps lie before it.

`python tests/oracle/generate/sessionize.py > tests/oracle/sessionize/cases.csv`
"""

import csv
import random
import sys

random.seed(13)

out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow(["rows", "gap", "expected"])
for number in range(80):
    instants = [random.choice([None, *range(60)]) for _ in range(random.randint(1, 12))]
    gap = random.choice([0, 1, 5, 10])
    known = sorted(at for at in instants if at is not None)
    answers = []
    for at in instants:
        if at is None:
            answers.append("-")
            continue
        before = [instant for instant in known if instant <= at]
        answers.append(str(1 + sum(later - earlier > gap for earlier, later in zip(before, before[1:]))))
    literals = ["NULL" if at is None else f"'2026-01-01 00:{at:02}:00'" for at in instants]
    rows = ", ".join(f"({row}, CAST({literal} AS timestamp))" for row, literal in enumerate(literals))
    out.writerow([rows, gap, " ".join(answers)])
