"""Answers for oracle/bgnbd_p_alive.

`pip install lifetimes==0.11.3`, then `python tests/oracle/generate/bgnbd_p_alive.py > tests/oracle/bgnbd_p_alive/cases.csv`.
Where the power overflows in lifetimes, mpmath's answer with 50 digits stands.
"""

import csv
import itertools
import sys
import warnings

import mpmath
from lifetimes import BetaGeoFitter

mpmath.mp.dps = 50
warnings.simplefilter("ignore")

MODELS = [
    (0.243, 4.414, 0.793, 2.426),  # CDNOW, Fader, Hardie and Lee (2005)
    (0.2425945, 4.4136019, 0.7929199, 2.4258881),  # the same, as lifetimes fits it
    (0.5, 10.0, 0.1, 0.2),
    (3.0, 0.7, 5.0, 40.0),
]
HISTORIES = [
    (0, 0, 38.86),
    (0, 0, 0),
    (1, 0, 0),
    (1, 2, 30),
    (2, 30.43, 38.86),
    (2, 38.86, 38.86),
    (26, 30.857143, 31),
    (10, 20, 39),
    (25, 20, 39),
    (221, 103.42857, 103.57143),
    (254, 97.14286, 97.28571),
    (1000, 10, 100),
    (5, 1e-9, 1e6),
]


def exact(r, alpha, a, b, x, t_x, T):
    r, alpha, a, b, x, t_x, T = (mpmath.mpf(str(v)) for v in (r, alpha, a, b, x, t_x, T))
    if x == 0:
        return mpmath.mpf(1)
    return 1 / (1 + a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x))


def by_lifetimes(r, alpha, a, b, x, t_x, T):
    fitter = BetaGeoFitter()
    fitter.params_ = {"r": r, "alpha": alpha, "a": a, "b": b}
    return float(fitter.conditional_probability_alive(x, t_x, T).item())


out = csv.writer(sys.stdout, lineterminator="\n")
out.writerow(["r", "alpha", "a", "b", "x", "t_x", "T", "expected"])
for model, history in itertools.product(MODELS, HISTORIES):
    expected = by_lifetimes(*model, *history)
    precise = exact(*model, *history)
    if not abs(expected - precise) <= 1e-9:
        print(f"lifetimes says {expected} for {model} {history}, mpmath {precise}", file=sys.stderr)
        expected = float(precise)
    out.writerow([*model, *history, repr(expected)])
out.writerow([0.243, 4.414, 0.793, 2.426, "", 30.43, 38.86, ""])
out.writerow([0.243, "", 0.793, 2.426, 2, 30.43, 38.86, ""])
