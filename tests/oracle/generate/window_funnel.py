"""Answers for oracle/window_funnel, by trying every first row.

`python tests/oracle/generate/window_funnel.py > tests/oracle/window_funnel/cases.csv`
"""

import csv
import random
import sys

random.seed(11)
STEPS = ["a", "b", "c"]


def longest(events, window, increase):
    """From a given first row, taking the first row that carries on is never worse than waiting."""
    events = sorted(events, key=lambda event: (event[0], STEPS.index(event[1]) if event[1] in STEPS else 9))
    best = 0
    for start, (began, name) in enumerate(events):
        if name != STEPS[0]:
            continue
        level, last = 1, began
        for at, name in events[start + 1 :]:
            if level < len(STEPS) and name == STEPS[level] and at <= began + window and (at > last or not increase):
                level, last = level + 1, at
        best = max(best, level)
    return best


def deduplicated(events, window):
    """One chain, from the first row of step 1; a step that was made before ends it."""
    level, began = 0, None
    for at, name in sorted(events, key=lambda event: (event[0], STEPS.index(event[1]) if event[1] in STEPS else 9)):
        if name in STEPS[:level]:
            break
        if level < len(STEPS) and name == STEPS[level] and (level == 0 or at <= began + window):
            began = at if level == 0 else began
            level += 1
    return level


def ordered(events, window, increase):
    """Rows count until one that is no step, or a step whose step before was not made, follows a made one."""
    events = sorted(events, key=lambda event: (event[0], STEPS.index(event[1]) if event[1] in STEPS else 9))
    for end, (_, name) in enumerate(events):
        made = longest(events[:end], window, increase)
        if made > 0 and name not in STEPS[: made + 1]:
            return made
    return longest(events, window, increase)


out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow(["rows", "window", "mode", "expected"])
for number in range(230):
    count = random.randint(1, 12)
    events = [(random.randint(0, 20), random.choice("aaabbccx")) for _ in range(count)]
    window = random.choice([0, 1, 3, 5, 10, 20])
    mode = random.choice(["", "strict_increase", "strict_deduplication"])
    if number >= 150:
        mode = random.choice(["strict_order", "strict_order strict_increase"])
    if mode.startswith("strict_order"):
        expected = ordered(events, window, "strict_increase" in mode)
    elif mode == "strict_deduplication":
        expected = deduplicated(events, window)
    else:
        expected = longest(events, window, mode == "strict_increase")
    rows = ", ".join(f"(timestamp '2026-01-01 00:00:{at:02}', '{name}')" for at, name in events)
    out.writerow([rows, window, mode, expected])
