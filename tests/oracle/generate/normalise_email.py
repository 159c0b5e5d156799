"""Answers for oracle/normalise_email: the definition of the reference in Python, held to two packages that know addresses.

    python tests/oracle/generate/normalise_email.py > tests/oracle/normalise_email/cases.csv     (pip install email-validator==2.4.0)

Python's unicodedata folds. Wherever email-validator takes a text for an address of a mailbox, the answer has to be the
address that it read, folded; it is stricter than the definition, which asks for what is plausible, so what it refuses says
nothing. Its internationalised domains are compared in their `xn--` form, because the definition keeps the spelling, and an
ideographic full stop, which it takes for a dot, is not put to it, because NFKC keeps that too. Wherever email.utils can read a
display name, it has to find the same address.
"""

import csv
import email.utils
import random
import sys
import unicodedata

import idna
from email_validator import EmailNotValidError, validate_email

# Unicode's property White_Space; Python's isspace() also counts U+001C to U+001F.
SPACES = "".join(map(chr, [*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]))
# Soft hyphen, zero-width space, word joiner, byte order mark, and the marks of writing direction (property Bidi_Control).
INVISIBLE = "".join(map(chr, [0xAD, 0x200B, 0x2060, 0xFEFF, 0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
REFUSED = '<>()[]:;,"\\'


def folded(text):
    """Without invisible marks and outer white space, NFKC, lower case; folding it again changes nothing."""
    while True:
        visible = "".join(character for character in text if character not in INVISIBLE)
        folded = unicodedata.normalize("NFKC", visible.strip(SPACES)).lower()
        if folded == text:
            return text
        text = folded


def unwrapped(text):
    """Without what mail programs put around an address."""
    if text.endswith(">") and "<" in text:
        text = text[text.rindex("<") + 1 : -1].strip(SPACES)
    if text.startswith("mailto:"):
        text = text.removeprefix("mailto:").split("?")[0].strip(SPACES)
    return text


def normal_form(text, variant=None):
    if text is None:
        return None
    address = unwrapped(folded(text))
    local, at, domain = address.partition("@")
    labels = domain.split(".")
    if not at or "@" in domain or not local or len(labels) < 2 or not all(labels) or len(address.encode()) > 254:
        return None
    if any(c in SPACES or c in REFUSED or unicodedata.category(c) == "Cc" for c in address):
        return None
    if variant == "gmail" and domain in ("gmail.com", "googlemail.com"):
        local = local.split("+")[0].replace(".", "")
        return f"{local}@gmail.com" if local else None
    return address


def read(text):
    """The mailbox that email-validator finds in a text, if any."""
    compatible = unicodedata.normalize("NFKC", text.strip(SPACES))
    if "\u3002" in compatible:
        return None
    try:
        return validate_email(compatible, allow_display_name=True, check_deliverability=False, test_environment=True)
    except (EmailNotValidError, UnicodeError):
        return None


def checked(text):
    """The normal form, if the packages do not know better."""
    answer = normal_form(text)
    if text is None:
        return answer
    if mailbox := read(text):
        assert answer, f"{text!r} is an address, {mailbox.normalized!r}"
        local, domain = answer.split("@")
        assert folded(mailbox.local_part) == local, (text, mailbox.normalized, answer)
        assert mailbox.ascii_domain == idna.encode(domain, uts46=True).decode(), (text, mailbox.normalized, answer)
    _, address = email.utils.parseaddr(text)
    if answer and "<" in text and text.count("@") == 1 and "@" in address and ":" not in address:
        assert folded(address) == answer, (text, address, answer)
    return answer


GMAIL = ["gmail.com", "GMail.com", "googlemail.com", "GOOGLEMAIL.COM"]
DOMAINS = [*GMAIL, "example.com", "Example.COM", "mail.example.co.uk", "sub-domain.example.org", "xn--bcher-kva.example",
           "bücher.example", "BÜCHER.example", "bu\u0308cher.example", "straße.example", "例え.jp", "почта.рф", "ｅｘａｍｐｌｅ．ｃｏｍ",
           "under_score.example.com", "1.2.3.4", "gmail.com.example", "mail.gmail.com", "gmail.co"]
LOCALS = ["jane", "Jane.Doe", "JANE", "jane+news", "Jane.Doe+News+2026", "j.a.n.e", "jane_doe-1", "o'neill", "x", "..jane..", "+jane",
          "jané", "jane\u0301", "JOSÉ", "ΟΔΟΣ", "ΟΔΟΣ.ΟΔΟΣ", "Straße", "STRAẞE", "ｊａｎｅ", "ﬁona", "山田", "иван", "J\u030Can", "İpek", "Kelvin\u212A",
          "½", "²nd", "\U0001F600", "a!#$%&'*/=?^_`{|}~-z", "\u0646\u0627\u0645\u0647\u200C\u0627\u06CC"]
WRITTEN = [
    None, "", " ", "\t\r\n", "\u3000\u00a0", "\u200b", "nobody", "@", "@@", "a@", "@b.de", "@.", "a@.", "a@b", "a@b.", "a@.b", "a@b..c", "a@b.c", "a@b.c.",
    "a@b.c@d.e", "a@@b.c", "a @b.c", "a@ b.c", "a b@c.de", "a@b c.de", "a@b.c d", "a@b.c\n", "\na@b.c", "a\n@b.c", "a@b.c\x1f", "a\x01@b.c",
    "a@b.c\x7f", "a@b\x85.c", "\x1ca@b.c", "a@b.c\u2028", "\u1680a@b.c\u205f", "a\u00a0b@c.de", "a\u3000@b.c", "\ufeffjane@example.com", "ja\u00adne@example.com",
    "jane\u200b@example.com", "\u202ajane@example.com\u202c", "jane@\u2066example.com\u2069", "jane@example\u2060.com", "\u061cjane\u200f@example.com\u200e",
    "ja\u200dne@example.com", " \u200b jane@example.com \u200b ", "mailto:jane@example.com", "MAILTO:Jane@Example.com", "MailTo:jane@example.com?subject=Hi&body=a@b",
    "mailto:jane@example.com?", " mailto:jane@example.com ", "mailto:", "mailto:jane", "mailto:?to=jane@example.com", "mailto:jane@example.com,joe@example.com",
    "http:jane@example.com", "mailto@example.com", "jane@example.com?subject=Hi", "<jane@example.com>", "Jane Doe <jane@example.com>", "Jane Doe<jane@example.com>",
    "\"Doe, Jane\" <Jane@Example.com>", "Jane (home) <jane@example.com>", "Jané Doe <JANÉ@example.com>", "jane@old.example <jane@example.com>",
    "Jane Doe <mailto:jane@example.com>", "Jane Doe <>", "Jane Doe <jane>", "Jane Doe <jane@example.com", "Jane Doe jane@example.com>", "Jane Doe jane@example.com",
    "jane@example.com <Jane Doe>", "Jane <jane@example.com> Doe", "<<jane@example.com>>", "Jane＜jane＠example．com＞", "jane＠example.com", "jane﹫example.com",
    "jane@example。com", "jane@例え。テスト.jp", "jane@exa\u2024mple", "\"jane\"@example.com", "\"jane doe\"@example.com", "jane\\@example.com",
    "jane(comment)@example.com", "jane@example.com (Jane)", "jane@[192.0.2.1]", "jane@[IPv6:2001:db8::1]", "jane@example.com;", "jane@example.com,",
    "jane@example.com.", ".jane@example.com", "jane.@example.com", "ja..ne@example.com", "jane@-example.com", "jane@exa_mple.com", "jane@example.com:25",
    "jane@\u00adexample.com", "jane at example dot com", "N/A", "n/a@n/a", "none@none.none", "null", "-", "0", "jane@localhost", "%@_.%", "'@'.'",
    "jane@192.0.2.1", "ǅ@example.com", "Ǆ@example.com", "ΑΣ@ΑΣ.example", "Σ@example.com", "ϔ@example.com", "\u1e9e@example.com", "ŉ@example.com",
    "H\u0331@example.com", "T\u0308@example.com", "W\u030a@example.com", "\u0345@example.com", "q\u0307\u0323@example.com", "q\u0323\u0307@example.com",
    "\u00a8@example.com", "\u2026@example.com", "\u2100@example.com", "jane@\u2488example.com", "\u2474@example.com", "\ufe64jane@example.com\ufe65", "\uff1cjane@example.com\uff1e",
    "a" * 64 + "@example.com", "a" * 65 + "@example.com", "a" * 242 + "@example.com", "a" * 243 + "@example.com", "é" * 121 + "@example.com", "é" * 122 + "@example.com",
    "a@" + "b" * 63 + ".com", "a@" + "b" * 64 + ".com", "a@" + "b." * 125 + "c", "a@" + "b." * 126 + "c", "mailto:" + "a" * 242 + "@example.com",
    " " * 300 + "a@b.c" + " " * 300, "Jane " * 80 + "<jane@example.com>", "a." * 125 + "a@gmail.com", "ﷺ" * 3 + "@example.com",
]
VARIANTS = [
    "Jane.Doe+news@googlemail.com", "jane.doe@gmail.com", "JANE@GMAIL.COM", "...jane...@gmail.com", "jane+a+b@gmail.com", "+news@gmail.com", "...@gmail.com",
    ".+a@gmail.com", "jane+@gmail.com", "jane@gmail.com.", "jane.doe+x@mail.gmail.com", "jane.doe+x@gmail.com.example", "jane.doe+x@notgmail.com",
    "jane.doe+x@gmail.de", "ＪＡＮＥ．ＤＯＥ＋x@ｇｍａｉｌ．ｃｏｍ", "Jane <mailto:ja.ne+x@googlemail.com?subject=a.b>", "ja\u2024ne@gmail.com", "ja\u2026ne@gmail.com",
    "ja.ne@gm\u00adail.com", "j.é@gmail.com", "a." * 120 + "a@gmail.com", "a" * 240 + "@googlemail.com", "a" * 239 + "@googlemail.com", "", " ", None, "jane@@gmail.com",
]


def dirty(stream):
    """An address as it may have been typed, pasted or exported."""
    local = stream.choice(LOCALS) if stream.random() < 0.7 else "".join(
        stream.choice("abcXYZ019.+-_'") for _ in range(stream.randint(1, 12)))
    domain = stream.choice(DOMAINS) if stream.random() < 0.8 else ".".join(
        "".join(stream.choice("abcXYZ019-") for _ in range(stream.randint(1, 6))) for _ in range(stream.randint(1, 4)))
    text = local + "@" + domain
    if stream.random() < 0.3:
        text = "".join(stream.choice([str.upper, str.lower, str])(character) for character in text)
    if stream.random() < 0.25:
        at = stream.randint(0, len(text))
        text = text[:at] + stream.choice(["@", ".", " ", "\t", *REFUSED, "\u00ad", "\u200b", "\u0301", "\u00a0", "\x02"]) + text[at:]
    if stream.random() < 0.1:
        at = stream.randrange(len(text))
        text = text[:at] + text[at + 1 :]
    if stream.random() < 0.2:
        text = stream.choice(["mailto:{}", "MAILTO:{}?cc=a@b.de", "<{}>", "Jane Doe <{}>", '"Doe, J." <{}>', "Jane <mailto:{}>"]).format(text)
    outer = ["", "", "", " ", "\t", "\r\n", "\u00a0", "\ufeff", "\u2003"]
    return stream.choice(outer) + text + stream.choice(outer)


def literal(text):
    """SQL for a text; what an editor would not show, or would show as something else, is escaped."""
    if text is None:
        return ""
    quoted = text.replace("'", "''")
    if text.isprintable() and unicodedata.is_normalized("NFC", text):
        return f"'{quoted}'"
    quoted = quoted.replace("\\", "\\\\")
    return "E'" + "".join(c if " " <= c <= "~" else f"\\u{ord(c):04x}" if c <= "\uffff" else f"\\U{ord(c):08x}" for c in quoted) + "'"


def main():
    stream = random.Random(17)
    cases = [(text, None) for text in WRITTEN] + [(text, variant) for text in VARIANTS for variant in (None, "gmail")]
    cases += [(dirty(stream), stream.choice([None, "gmail"])) for _ in range(200)]
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["address", "variant", "expected"])
    for text, variant in cases:
        plain, answer = checked(text), normal_form(text, variant)
        for form, again in ((plain, None), (answer, variant)):
            assert normal_form(form, again) == form, (text, form)
        out.writerow([literal(text), literal(variant), answer or ""])
    mailboxes = sum(text is not None and read(text) is not None for text, _ in cases)
    print(f"{len(cases)} cases, {mailboxes} of them mailboxes for email-validator too", file=sys.stderr)


if __name__ == "__main__":
    main()
