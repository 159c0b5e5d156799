"""Answers for oracle/mask_email: the definition over the normal form of normalise_email.py, which other packages check.

`python tests/oracle/generate/mask_email.py > tests/oracle/mask_email/cases.csv`      (pip install email-validator==2.4.0)
"""

import csv
import random
import sys

from normalise_email import INVISIBLE, SPACES, WRITTEN, checked, dirty, literal


def mask(text):
    """The first character and the domain; a local part of one character is hidden whole, and so is what is no address."""
    if text is None:
        return None
    address = checked(text)
    if address is None:
        return "***" if text.strip(SPACES + INVISIBLE) else ""
    local, domain = address.split("@")
    return (local[0] if len(local) > 1 else "") + "***@" + domain


MASKED = ["***", "***@example.com", "j***@example.com", "j@example.com", "J@example.com", "jo@example.com", "JO@example.com", "\u00c9@example.com",
          "E\u0301@example.com", "q\u0303@example.com", "\U0001F600@example.com", "\U0001F600\U0001F600@example.com", "ﬁ@example.com", "½@example.com",
          "山@例え.jp", "山田@例え.jp", "İ@example.com", ".j@example.com", "+j@example.com", "'j'@example.com", "j.doe+x@gmail.com", "j@googlemail.com",
          "+49 30 123456", "Jane Doe", "jane.doe", "DE89 3704 0044 0532 0130 00", "\u200b", "\u3000\ufeff", "\u200b \u2060", ".", "?"]


def main():
    stream = random.Random(19)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["address", "expected"])
    for text in [*MASKED, *WRITTEN, *(dirty(stream) for _ in range(150))]:
        answer = mask(text)
        out.writerow([literal(text), "" if answer is None else f"[{answer}]"])


if __name__ == "__main__":
    main()
