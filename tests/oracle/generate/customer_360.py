"""Answers for oracle/customer_360: every column of every customer of the small demo, worked out from the landed files.

    python tests/oracle/generate/customer_360.py DEMO_FOLDER > tests/oracle/customer_360/cases.csv      (pip install duckdb==2.0.0)

DEMO_FOLDER is made and unified by `perennial demo --customers 300 --seed 7 --no-serve --dir DEMO_FOLDER`. Of the unified tables only
the assignment of ids is read: whose record a row is (the customer of each fact, found by its key) and whose value an identifier is.
Everything else is worked out from the landed Parquet: rows, versions, rates, sums, windows, channels, traits and sightings in SQL by
DuckDB; stages here, by asking the rules at every moment at which the answer can change.
"""

import csv
import glob
import sys
from collections import defaultdict
from datetime import datetime

import duckdb

FOLDER = sys.argv[1]
LAKE = FOLDER + "/lake/"
DAY = 86_400_000_000
AS_OF = int(datetime.fromisoformat("2026-07-01T00:00:00+02:00").timestamp()) * 1_000_000
ACTIVE, LAPSE, YEAR = 120 * DAY, 240 * DAY, 365 * DAY
UNPAID = ("cancelled", "failed", "draft", "pending")
# The order of the configuration: ties of two sources go by it.
SOURCES = ["crm_contacts", "shop_accounts", "email_newsletter", "shop_orders", "billing_subscriptions", "web_events",
           "support_interactions", "survey_responses", "consent_log"]

db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")


def view(name, sql):
    db.execute(f"CREATE VIEW {name} AS {sql}")


def table(name, sql):
    db.execute(f"CREATE TABLE {name} AS {sql}")


def rows(sql):
    return db.execute(sql).fetchall()


def landed(name, path):
    view(name, f"SELECT * FROM read_parquet('{LAKE}{path}/**/*.parquet', union_by_name = true, filename = true, file_row_number = true)")


def unified(name):
    return f"read_parquet({glob.glob(LAKE + '_perennial/data/' + name + '/*.parquet')})"


for name, path in {
    "contacts": "crm/contacts", "accounts": "shop/accounts", "newsletter": "email/newsletter", "shop_orders": "shop/orders",
    "shop_refunds": "shop/refunds", "billing": "billing/subscriptions", "web": "web/events", "support": "support/interactions",
    "responses": "surveys/responses", "consent_log": "consents", "fx": "finance/fx_rates",
}.items():
    landed(name, path)

# Enough of a normal form for the dirt of the demo; what it does not find in `identities` was blocked, withdrawn or is no value.
db.execute("CREATE MACRO plain(address) AS lower(trim(address))")
db.execute("CREATE MACRO domain(address) AS split_part(plain(address), '@', 2)")
db.execute("""CREATE MACRO email(address) AS CASE WHEN domain(address) IN ('gmail.com', 'googlemail.com')
    THEN replace(split_part(split_part(plain(address), '@', 1), '+', 1), '.', '') || '@gmail.com' ELSE plain(address) END""")
db.execute("CREATE MACRO digits(number) AS regexp_replace(number, '[^0-9+]', '', 'g')")
db.execute("""CREATE MACRO phone(number) AS CASE WHEN digits(number) LIKE '+%' THEN digits(number)
    WHEN digits(number) LIKE '00%' THEN '+' || digits(number)[3:] WHEN digits(number) LIKE '0%' THEN '+49' || digits(number)[2:] END""")

# ------------------------------------------------------------------------------------------------ whose is what

table("identity", f"SELECT type, value, customer_id FROM {unified('identities')}")
# Whoever signed up with no usable address is somebody of their own, known by the record that the id was founded on.
view("published", f"SELECT id, founding_source, founding_at FROM {unified('published_ids')}")
facts = [("shop_orders", "orders", "order_id"), ("billing_subscriptions", "subscriptions", "subscription_id"), ("web_events", "events", "record_key"),
         ("support_interactions", "interactions", "record_key"), ("survey_responses", "surveys", "record_key"), ("consent_log", "consents", "record_key")]
table("owner", " UNION ".join(
    f"SELECT '{source}' AS source, {key} AS record_key, customer_id FROM {unified(relation)} WHERE customer_id IS NOT NULL"
    for source, relation, key in facts
) + """ UNION SELECT 'crm_contacts', value, customer_id FROM identity WHERE type = 'crm_id'
      UNION SELECT 'shop_accounts', value, customer_id FROM identity WHERE type = 'user_id'
      UNION SELECT 'email_newsletter', subscriber_id, customer_id FROM newsletter JOIN identity ON type = 'email' AND value = email(newsletter.email)
      UNION SELECT 'email_newsletter', subscriber_id, id FROM newsletter JOIN published ON founding_source = 'email_newsletter' AND founding_at = subscribed_at
      WHERE email(newsletter.email) NOT IN (SELECT value FROM identity WHERE type = 'email') OR email IS NULL""")

# Every version of every record of persons that landed, with what it was known by. A draft is no order.
table("landed_record", f"""
    SELECT 'crm_contacts' AS source, contact_id AS record_key, epoch_us(modified_at) AS moment, email(email) AS email, phone(phone) AS phone,
           contact_id AS crm_id, NULL AS user_id, NULL AS anonymous_id FROM contacts
    UNION ALL SELECT 'shop_accounts', user_id::text, epoch_us(registered_at), email(email), NULL, NULL, user_id::text, NULL FROM accounts
    UNION ALL SELECT 'email_newsletter', subscriber_id, epoch_us(subscribed_at), email(email), NULL, NULL, NULL, NULL FROM newsletter
    UNION ALL SELECT 'shop_orders', id, epoch_us(created_at), email(customer_email), NULL, NULL, user_id::text, NULL FROM shop_orders WHERE state <> 'draft'
    UNION ALL SELECT 'billing_subscriptions', subscription_id, epoch_us(changed_at), NULL, NULL, NULL, user_id::text, NULL FROM billing
    UNION ALL SELECT 'web_events', event_id, epoch_us("at"), NULL, NULL, NULL, user_id, anonymous_id FROM web
    UNION ALL SELECT 'support_interactions', ticket_id, epoch_us(opened_at), email(email), phone(phone), NULL, NULL, NULL FROM support
    UNION ALL SELECT 'survey_responses', response_id, epoch_us(answered_at), email(email), NULL, NULL, NULL, NULL FROM responses
    UNION ALL SELECT 'consent_log', replace(filename, '{LAKE}', '') || ':' || file_row_number, epoch_us("at"), email(email), NULL, NULL, NULL, NULL FROM consent_log""")
table("record", f"SELECT * FROM landed_record JOIN owner USING (source, record_key) WHERE moment <= {AS_OF}")
table("sighting", " UNION ALL ".join(
    f"SELECT i.customer_id, i.type, i.value, moment, r.customer_id AS of_record FROM record r JOIN identity i ON i.type = '{kind}' AND i.value = r.{kind}"
    for kind in ("user_id", "crm_id", "email", "phone", "anonymous_id")))

# ------------------------------------------------------------------------------------------------ traits

table("profile", """
    SELECT * REPLACE (trim(first_name) AS first_name, trim(last_name) AS last_name, trim(city) AS city, trim(country) AS country),
           epoch_us(said_at) AS moment FROM (
        SELECT 'crm_contacts' AS source, contact_id AS record_key, modified_at AT TIME ZONE 'UTC' AS said_at, fname AS first_name, lname AS last_name,
               dob AS birth_date, city, upper(country) AS country FROM contacts
        QUALIFY row_number() OVER (PARTITION BY contact_id ORDER BY modified_at DESC, filename DESC, file_row_number DESC) = 1
        UNION ALL SELECT 'shop_accounts', user_id::text, registered_at, first_name, last_name, NULL, NULL, country FROM accounts
        QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY registered_at DESC, filename DESC, file_row_number DESC) = 1
        UNION ALL SELECT 'email_newsletter', subscriber_id, subscribed_at, first_name, NULL, NULL, NULL, NULL FROM newsletter
        QUALIFY row_number() OVER (PARTITION BY subscriber_id ORDER BY subscribed_at DESC, filename DESC, file_row_number DESC) = 1
    ) JOIN owner USING (source, record_key)""")
place = f"list_position({SOURCES}, source)"
said = {
    "first_name": "source_priority", "last_name": "source_priority", "birth_date": "most_recent", "city": "most_recent", "country": "most_recent",
}
traits = ", ".join(
    f"""arg_min({name}, ({place if rule == 'source_priority' else '0'}, -moment, {place}, record_key))
        FILTER (WHERE trim({name}::text) <> '') AS {name}"""
    for name, rule in said.items())
table("golden", f"SELECT customer_id, {traits} FROM profile GROUP BY customer_id")
table("best", """SELECT customer_id, type, value FROM (SELECT customer_id, type, value, max(moment) AS seen FROM sighting GROUP BY ALL)
    QUALIFY row_number() OVER (PARTITION BY customer_id, type ORDER BY seen DESC, value) = 1""")

# ------------------------------------------------------------------------------------------------ what they bought

# Money in ten-thousandths of a euro, rounded half away from zero; the rate is the latest at or before the order's day in Berlin.
db.execute("CREATE MACRO rounded(number, by_number) AS sign(number) * ((2 * abs(number) + by_number) // (2 * by_number))")
table("version", f"""
    SELECT id, epoch_us(created_at) AS placed, epoch_us(updated_at) AS updated, state NOT IN {UNPAID} AS paid, utm_source AS channel, currency,
           (created_at AT TIME ZONE 'Europe/Berlin')::date AS day, total_cents::hugeint * 100 AS original,
           row_number() OVER (PARTITION BY id ORDER BY updated_at, filename, file_row_number) AS number,
           count(*) OVER (PARTITION BY id) AS numbers
    FROM shop_orders WHERE state <> 'draft' AND created_at <= make_timestamptz({AS_OF}) AND updated_at <= make_timestamptz({AS_OF})""")
table("rate", "SELECT currency, date, (rate * 1000000)::hugeint AS millionths FROM fx")
table("valued", """
    SELECT v.*, CASE WHEN v.currency = 'EUR' THEN 1000000 ELSE (SELECT arg_max(millionths, date) FROM rate r WHERE r.currency = v.currency AND r.date <= v.day) END AS millionths
    FROM version v""")
table("refund", f"""
    SELECT r.order_id AS id, epoch_us(refunded_at) AS moment, rounded((amount * 10000)::hugeint * millionths, 1000000::hugeint) AS amount
    FROM shop_refunds r JOIN valued v ON v.id = r.order_id AND v.number = v.numbers WHERE refunded_at <= make_timestamptz({AS_OF})""")
table("priced", """
    SELECT v.*, o.customer_id, rounded(original * millionths, 1000000::hugeint) AS amount, coalesce(r.amount, 0) AS refunded, r.id IS NOT NULL AS given_back
    FROM valued v LEFT JOIN (SELECT id, sum(amount) AS amount FROM refund GROUP BY id) r USING (id) JOIN owner o ON o.source = 'shop_orders' AND o.record_key = v.id""")
table("bought", "SELECT *, paid AND NOT (given_back AND refunded >= amount) AS counts FROM priced WHERE number = numbers")
table("gap", """SELECT customer_id, median(gap) AS gap FROM (
    SELECT customer_id, (placed - lag(placed) OVER (PARTITION BY customer_id ORDER BY placed)) / 86400000000 AS gap FROM bought WHERE counts)
    WHERE gap IS NOT NULL GROUP BY customer_id""")
within = ", ".join(f"count(*) FILTER (WHERE {{}} {AS_OF} - {{}} < {days * DAY}) AS days_{days}" for days in (30, 90, 365))
table("purchases", f"""
    SELECT customer_id, count(*) FILTER (WHERE counts) AS orders, min(placed) FILTER (WHERE counts) AS first_order, max(placed) FILTER (WHERE counts) AS last_order,
           {within.format('counts AND', 'placed', 'counts AND', 'placed', 'counts AND', 'placed')},
           coalesce(sum(amount) FILTER (WHERE paid), 0) AS gross, coalesce(sum(refunded) FILTER (WHERE paid), 0) AS refunded,
           rounded((sum(amount) FILTER (WHERE paid))::hugeint, (count(*) FILTER (WHERE paid))::hugeint) AS aov
    FROM bought GROUP BY customer_id""")

# ------------------------------------------------------------------------------------------------ what they did

table("event", f"""SELECT event_id AS record_key, epoch_us("at") AS moment, name, channel, customer_id
    FROM web JOIN owner ON source = 'web_events' AND record_key = event_id WHERE epoch_us("at") <= {AS_OF}
    QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY "at" DESC, filename DESC, file_row_number DESC) = 1""")
table("visits", f"""SELECT customer_id, count(*) AS events, min(moment) AS first_event, max(moment) AS last_event,
    {within.format('', 'moment', '', 'moment', '', 'moment')} FROM event GROUP BY customer_id""")
table("touch", f"""
    SELECT customer_id, arg_min(channel, (moment, place, record_key)) AS first_touch, arg_max(channel, (moment, place, record_key)) AS last_touch FROM (
        SELECT customer_id, channel, moment, {SOURCES.index('web_events')} AS place, record_key FROM event
        UNION ALL SELECT customer_id, channel, placed, {SOURCES.index('shop_orders')}, id FROM bought)
    WHERE trim(channel) <> '' GROUP BY customer_id""")
table("contact", f"""SELECT customer_id, count(*) AS contacts, max(epoch_us(opened_at)) AS last_contact
    FROM support JOIN owner ON source = 'support_interactions' AND record_key = ticket_id WHERE epoch_us(opened_at) <= {AS_OF} GROUP BY customer_id""")
table("answer", f"""SELECT customer_id, epoch_us(answered_at) AS moment, score, response_id FROM responses
    JOIN owner ON source = 'survey_responses' AND record_key = response_id WHERE survey = 'nps' AND epoch_us(answered_at) <= {AS_OF}""")
table("satisfied", "SELECT customer_id, arg_max(score, (moment, response_id)) AS score, max(moment) AS moment FROM answer GROUP BY customer_id")
table("change", f"""SELECT DISTINCT customer_id, subscription_id, epoch_us(changed_at) AS moment, mrr, status FROM billing
    JOIN owner ON source = 'billing_subscriptions' AND record_key = subscription_id WHERE epoch_us(changed_at) <= {AS_OF}""")
table("recurring", """SELECT customer_id, (sum(CASE WHEN status <> 'cancelled' THEN mrr ELSE 0 END) * 10000)::hugeint AS mrr FROM (
    SELECT * FROM change QUALIFY row_number() OVER (PARTITION BY customer_id, subscription_id ORDER BY moment DESC) = 1) GROUP BY customer_id""")

# ------------------------------------------------------------------------------------------------ where they stand

FIRST_SEEN = dict(rows("SELECT customer_id, min(moment) FROM record GROUP BY customer_id"))
IDENTIFIED = dict(rows("SELECT of_record, min(moment) FROM sighting WHERE type <> 'anonymous_id' GROUP BY of_record"))


def grouped(sql):
    found = defaultdict(list)
    for customer, *rest in rows(sql):
        found[customer].append(tuple(rest))
    return found


VERSIONS = grouped("SELECT customer_id, id, placed, updated, paid, amount, number FROM priced ORDER BY id, number")
REFUNDS = grouped("SELECT customer_id, f.id, moment, f.amount FROM refund f JOIN owner ON source = 'shop_orders' AND record_key = f.id")
CHANGES = grouped("SELECT customer_id, subscription_id, moment, mrr, status FROM change ORDER BY moment")
ANSWERS = grouped("SELECT customer_id, moment, score FROM answer ORDER BY moment, response_id")
REFERRALS = grouped("SELECT customer_id, moment FROM event WHERE name = 'referral_sent'")
CLOSINGS = grouped("SELECT customer_id, moment FROM event WHERE name = 'account_closed'")


class Known:
    """One customer as of a moment."""

    def __init__(self, customer, at):
        self.customer, self.at = customer, at

    def orders(self):
        """When the orders that count were placed; a subscription that starts is one."""
        newest = {}
        for key, placed, updated, paid, amount, number in VERSIONS[self.customer]:
            # What an export holds first of an order was so when it was placed; what became of it, when that became of it.
            if (placed if number == 1 else max(updated, placed)) <= self.at:
                newest[key] = (placed, paid, amount)
        placed = []
        for key, (moment, paid, amount) in newest.items():
            back = [given for of, when, given in REFUNDS[self.customer] if of == key and when <= self.at]
            if paid and not (back and sum(back) >= amount):
                placed.append(moment)
        for subscription, moment, mrr, status in CHANGES[self.customer]:
            if moment <= self.at and self.paying(subscription, moment) and not self.paying(subscription, moment - 1):
                placed.append(moment)
        return sorted(placed)

    def paying(self, subscription, at):
        states = [(mrr, status) for of, moment, mrr, status in CHANGES[self.customer] if of == subscription and moment <= at]
        return bool(states) and states[-1][0] > 0 and states[-1][1] != "cancelled"

    def any_paying(self, at):
        return any(self.paying(subscription, at) for subscription in {of for of, *_ in CHANGES[self.customer]})

    def silence(self, at, orders):
        if not orders:
            return None
        if self.any_paying(at):
            return 0
        ends = [moment for _, moment, *_ in CHANGES[self.customer] if moment <= at and self.any_paying(moment - 1) and not self.any_paying(moment)]
        return at - max([orders[-1], *ends])

    def stage(self):
        orders = self.orders()
        silence = self.silence(self.at, orders)
        closed = [moment for moment, in CLOSINGS[self.customer] if moment <= self.at]
        if closed and all(order <= max(closed) for order in orders):
            return "terminated"
        if orders:
            if silence >= LAPSE:
                return "lapsed"
            if silence >= ACTIVE:
                return "at_risk"
            answers = [answer for answer in ANSWERS[self.customer] if answer[0] <= self.at]
            promoter = answers and answers[-1][1] >= 9 and self.at - answers[-1][0] < YEAR
            if promoter or any(0 <= self.at - moment < YEAR for moment, in REFERRALS[self.customer]):
                return "advocacy"
            if len(orders) >= 4 and sum(self.at - order < YEAR for order in orders) >= 3:
                return "loyalty"
            returns = [order for place, order in enumerate(orders) if place and self.silence(order - 1, orders[:place]) >= LAPSE]
            if returns and self.at - returns[-1] < ACTIVE:
                return "won_back"
            return "retention" if len(orders) >= 2 else "conversion"
        identified = IDENTIFIED.get(self.customer)
        return "acquisition" if identified is not None and identified <= self.at else "awareness"


def stages(customer):
    """The stage at the end, since when, and the one before: asked at every moment at which a fact arrives or a window runs out."""
    first = FIRST_SEEN[customer]
    moments = {first, IDENTIFIED.get(customer, first)}
    for _, placed, updated, *_ in VERSIONS[customer]:
        moments |= {placed, max(updated, placed)}
    for _, moment, *_ in REFUNDS[customer] + CHANGES[customer]:
        moments.add(moment)
    for moment, *_ in ANSWERS[customer] + REFERRALS[customer] + CLOSINGS[customer]:
        moments.add(moment)
    moments |= {moment + window for moment in moments for window in (ACTIVE, LAPSE, YEAR)}
    stage = since = before = None
    for moment in sorted(moment for moment in moments if first <= moment <= AS_OF):
        now = Known(customer, moment).stage()
        if now != stage:
            stage, since, before = now, moment, stage
    return stage, since, before


# ------------------------------------------------------------------------------------------------ all of it


def instant(micros):
    return "" if micros is None else f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def days(number):
    return "" if number is None else f"{number:.6f}"


def money(units):
    return "" if units is None else f"{'-' if units < 0 else ''}{abs(units) // 10_000}.{abs(units) % 10_000:04d}"


def text(value):
    return "" if value is None else str(value)


def main():
    one = {kind: dict(rows(f"SELECT customer_id, value FROM best WHERE type = '{kind}'")) for kind in ("user_id", "crm_id", "email", "phone", "anonymous_id")}

    def of(name, columns):
        return {customer: values for customer, *values in rows(f"SELECT customer_id, {columns} FROM {name}")}

    golden = of("golden", "first_name, last_name, birth_date, city, country")
    purchases = of("purchases", "orders, first_order, last_order, days_30, days_90, days_365, gross, refunded, aov")
    gaps, visits = of("gap", "gap"), of("visits", "events, first_event, last_event, days_30, days_90, days_365")
    touches, contacts = of("touch", "first_touch, last_touch"), of("contact", "contacts, last_contact")
    satisfied, recurring = of("satisfied", "score, moment"), of("recurring", "mrr")
    seen = of("(SELECT customer_id, max(moment) AS last, list(DISTINCT source) AS sources FROM record GROUP BY customer_id)", "last, sources")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["customer_id", "expected"])
    for customer, first_seen in sorted(FIRST_SEEN.items()):
        stage, since, before = stages(customer)
        orders, first_order, last_order, *recent, gross, refunded, aov = purchases.get(customer, [0, None, None, 0, 0, 0, 0, 0, None])
        events, first_event, last_event, *lately = visits.get(customer, [0, None, None, 0, 0, 0])
        last_seen, sources = seen[customer]
        values = [
            *(text(one[kind].get(customer)) for kind in ("user_id", "crm_id", "email", "phone", "anonymous_id")),
            *map(text, golden.get(customer, [None] * 5)),
            instant(AS_OF), stage, instant(since), text(before),
            instant(first_seen), instant(last_seen), instant(IDENTIFIED.get(customer)), days((AS_OF - first_seen) / DAY),
            orders, instant(first_order), instant(last_order), days(None if last_order is None else (AS_OF - last_order) / DAY),
            days(gaps.get(customer, [None])[0]), *recent, money(gross), money(refunded), money(gross - refunded), money(aov),
            events, instant(first_event), instant(last_event), *lately,
            *map(text, touches.get(customer, [None, None])),
            contacts.get(customer, [0])[0], instant(contacts.get(customer, [0, None])[1]),
            text(satisfied.get(customer, [None])[0]), instant(satisfied.get(customer, [None, None])[1]),
            money(recurring.get(customer, [None])[0]), " ".join(sorted(sources, key=SOURCES.index)),
        ]
        out.writerow([customer, "|".join(map(str, values))])


main()
