"""The yardstick for `perennial unify`: what a good data engineer writes with DuckDB over the lake of `perennial demo`.

    python unify_duckdb.py LAKE_FOLDER OUTPUT_FOLDER        (pip install duckdb==2.0.0 numpy)

What it makes, as zstd Parquet in OUTPUT_FOLDER:
- events, orders, order_items, refunds, subscriptions, surveys, interactions, consents: every fact with its customer_id,
  sorted by customer_id and time, amounts in euros at the latest rate at or before the day; an event that was delivered
  twice stands once, of the versions of an order the newest counts, and a draft is no order;
- customers: golden records (traits, identifiers seen last), first and last seen, identified since when, sources;
- customer_360: the golden record, counts and windows, money, gaps, touches, NPS, MRR and the stage, as of 2026-07-01;
- lifecycle_history: all ten stages of the default model with its fixed windows of 120 and 240 days.

What Perennial makes besides. Each omission is work that DuckDB is spared, so a ratio of the two flatters DuckDB:
- limits (user_id 1, crm_id 3, email 5, phone 3): here two accounts that share a phone or an address are one customer;
- versions by record key of other sources than contacts, orders and events;
- identity_conflicts, identity_warnings, identities, identity_links, identity_redirects, trait_lineage, segments and
  their members, spend, fx_rates, files, runs; record keys of consents, the record count of a customer;
- ids that stay the same from run to run: customer_id is a number here;
- normalisation in full: no Unicode forms, display names or numbering plans; a short block list;
- the past as it was known then: an order counts from its beginning as it ended, cancelled or refunded as it may be, and
  no stage has a reason;
- events' other columns as JSON: they stay columns; ties of time are broken at random; aov is divided in floating point;
- landing: no check of rows, no quarantine, no manifest, no bloom filters, one file a table, no commit; nothing is ever
  incremental, and the configuration is written out below instead of read.

Components are found in numpy, by hooking roots to smaller roots and jumping pointers: 1.3 million edges took 0.5 s, a
union-find loop in Python 2.2 s, label propagation with pointer jumping as a loop of DuckDB statements 15 s.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import duckdb
import numpy as np

AS_OF = "TIMESTAMPTZ '2026-07-01 00:00:00+02'"
ZONE = "Europe/Berlin"

# Folder, time and identifiers of the sources about people. A newsletter reader whose address is no identifier is a
# customer all the same: `record` stands for one.
PEOPLE = {
    "crm_contacts": (
        "crm/contacts",
        "modified_at AT TIME ZONE 'UTC'",
        {"crm_id": "contact_id", "email": "email", "phone": "phone"},
    ),
    "shop_accounts": ("shop/accounts", "registered_at", {"user_id": "user_id::TEXT", "email": "email"}),
    "email_newsletter": (
        "email/newsletter",
        "subscribed_at",
        {"email": "email", "record": "CASE WHEN normal_email(email) IS NULL THEN subscriber_id END"},
    ),
    "shop_orders": ("shop/orders", "created_at", {"user_id": "user_id::TEXT", "email": "customer_email"}),
    "billing_subscriptions": ("billing/subscriptions", "changed_at", {"user_id": "user_id::TEXT"}),
    "web_events": ("web/events", '"at"', {"user_id": "user_id", "anonymous_id": "anonymous_id"}),
    "support_interactions": ("support/interactions", "opened_at", {"email": "email", "phone": "phone"}),
    "survey_responses": ("surveys/responses", "answered_at", {"email": "email"}),
    "consent_log": ("consents", '"at"', {"email": "email"}),
}
FOLDERS = {source: folder for source, (folder, _, _) in PEOPLE.items()} | {
    "shop_order_items": "shop/order_items",
    "shop_refunds": "shop/refunds",
    "finance_fx_rates": "finance/fx_rates",
    "ads_spend": "ads/spend",
    "products": "shop/products",
}
STRONG = ["user_id", "crm_id", "email", "phone", "record"]
IDENTIFIERS = [*STRONG, "anonymous_id"]
NORMAL = {"email": "normal_email(raw_email)", "phone": "normal_phone(raw_phone)"} | {
    name: f"nullif(trim(raw_{name}), '')" for name in ["user_id", "crm_id", "record", "anonymous_id"]
}

MACROS = r"""
CREATE MACRO normal_email(raw) AS (
    SELECT CASE
        WHEN NOT regexp_full_match(e, '[^@\s<>()\[\]:;,"\\]+@([^@\s<>()\[\]:;,"\\.]+\.)+[^@\s<>()\[\]:;,"\\.]+')
            THEN NULL
        WHEN regexp_extract(e, '^[^+@]*') IN ('test', 'noemail', 'noreply', 'no-reply', 'unknown', 'none', 'null',
            'nobody', 'info', 'team', 'support', 'office', 'sales', 'contact', 'kontakt', 'hello') THEN NULL
        WHEN e LIKE '%@gmail.com' OR e LIKE '%@googlemail.com'
            THEN nullif(replace(regexp_extract(e, '^[^+@]*'), '.', ''), '') || '@gmail.com'
        ELSE e END
    FROM (SELECT lower(trim(raw)) AS e));
CREATE MACRO normal_phone(raw) AS (
    SELECT CASE
        WHEN length(d) NOT BETWEEN 8 AND 16 OR d = repeat(d[1], length(d)) OR d LIKE '%123456789' THEN NULL
        WHEN d[1] = '+' THEN d
        WHEN d[1:2] = '00' THEN '+' || d[3:]
        WHEN d[1] = '0' THEN '+49' || d[2:]
        ELSE '+49' || d END
    FROM (SELECT regexp_replace(raw, '[^0-9+]', '', 'g') AS d));
CREATE MACRO days(n) AS to_microseconds(n * 86400000000);
CREATE MACRO days_between(a, b) AS (epoch_us(b) - epoch_us(a)) / 86400e6;
CREATE MACRO money(amount) AS amount::DECIMAL(18, 4);
"""


class Run:
    """A connection, the folders, and the seconds of each phase."""

    def __init__(self, lake, output):
        self.output, self.work = output, output / "tmp"
        self.work.mkdir(parents=True, exist_ok=True)
        self.seconds, self.since = {}, time.perf_counter()
        self.db = duckdb.connect()
        self.db.execute(f"""
            SET memory_limit = '4GB'; SET threads = {os.cpu_count()}; SET temp_directory = '{self.work}';
            SET preserve_insertion_order = false; SET TimeZone = 'UTC'; {MACROS}""")
        for source, folder in FOLDERS.items():
            where = "WHERE state <> 'draft'" if source == "shop_orders" else ""
            files = f"read_parquet('{lake}/{folder}/**/*.parquet', hive_partitioning = true)"
            self.db.execute(f"CREATE VIEW {source} AS SELECT * FROM {files} {where}")
        files = [f"{lake}/{folder}/**/*.parquet" for folder in FOLDERS.values()]
        self.rows = self.one(f"SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata({files})")

    def phase(self, name):
        now = time.perf_counter()
        self.seconds[name], self.since = round(now - self.since, 3), now

    def table(self, name, sql):
        self.db.execute(f"CREATE TABLE {name} AS {sql}")

    def write(self, name, sql, order="customer_id, time"):
        """Writes a relation; later statements read it from its file."""
        file = self.output / f"{name}.parquet"
        self.db.execute(f"COPY ({sql} ORDER BY {order}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")
        self.db.execute(f"CREATE VIEW {name} AS FROM read_parquet('{file}')")

    def one(self, sql):
        return self.db.execute(sql).fetchall()[0][0]


def sightings(run):
    """`seen`: a row for each distinct set of raw identifiers in a source, with the normal forms beside it."""
    blank = ", ".join(f"NULL::TEXT AS raw_{name}" for name in IDENTIFIERS)
    run.table("raw", f"SELECT '' AS source, {blank}, now() AS first_at, now() AS last_at LIMIT 0")
    for source, (_, at, identifiers) in PEOPLE.items():
        values = ", ".join(f"{value} AS raw_{name}" for name, value in identifiers.items())
        run.db.execute(f"""
            INSERT INTO raw BY NAME SELECT '{source}' AS source, {values}, min({at}) AS first_at, max({at}) AS last_at
            FROM {source} GROUP BY ALL""")
    run.table("seen", f"SELECT *, {', '.join(f'{normal} AS {name}' for name, normal in NORMAL.items())} FROM raw")
    run.db.execute("DROP TABLE raw")
    run.phase("read identifiers")


def components(count, left, right):
    """The least node of the component of each of `count` nodes."""
    label = np.arange(count, dtype=np.int32)
    while len(left):
        a, b = label[left], label[right]
        np.minimum.at(label, np.maximum(a, b), np.minimum(a, b))
        while (label[label] != label).any():
            label = label[label]
        apart = label[left] != label[right]
        left, right = left[apart], right[apart]
    return label


def resolve(run):
    """`known`: sightings with their customer. A device joins the one component that it was seen with, if it is one."""
    values = " UNION ".join(f"SELECT '{n}' AS type, {n} AS value FROM seen WHERE {n} IS NOT NULL" for n in IDENTIFIERS)
    run.table("nodes", f"SELECT (row_number() OVER () - 1)::INTEGER AS node, * FROM ({values})")
    nodes = ", ".join(f"n_{name}.node AS {name}_node" for name in IDENTIFIERS)
    anchor = f"coalesce({', '.join(f'n_{name}.node' for name in STRONG)})"
    joins = " ".join(f"LEFT JOIN nodes n_{n} ON n_{n}.type = '{n}' AND n_{n}.value = seen.{n}" for n in IDENTIFIERS)
    run.table("held", f"SELECT seen.*, {nodes}, {anchor} AS anchor FROM seen {joins}")
    run.db.execute("DROP TABLE seen")
    pairs = " UNION ".join(f"SELECT anchor, {n}_node AS node FROM held WHERE {n}_node <> anchor" for n in STRONG)
    edges = run.db.execute(pairs).fetchnumpy()
    label = components(run.one("SELECT count(*) FROM nodes"), edges["anchor"], edges["node"])
    run.db.register("labels", {"node": np.arange(len(label), dtype=np.int32), "component": label})
    run.table("devices", """
        SELECT anonymous_id_node AS node,
            CASE count(DISTINCT component) WHEN 0 THEN anonymous_id_node WHEN 1 THEN min(component) END AS component
        FROM held LEFT JOIN labels ON labels.node = anchor WHERE anonymous_id_node IS NOT NULL
        GROUP BY anonymous_id_node""")
    run.table("known", """
        SELECT held.* REPLACE (CASE WHEN devices.component IS NOT NULL THEN anonymous_id END AS anonymous_id),
            coalesce(labels.component, devices.component) AS customer_id
        FROM held LEFT JOIN labels ON labels.node = anchor LEFT JOIN devices ON devices.node = anonymous_id_node""")
    run.db.execute("DROP TABLE held")
    run.phase("resolve")


def owned(source, columns, rows=None):
    """The rows of a source with their customer: whoever has just these raw identifiers there."""
    _, at, identifiers = PEOPLE[source]
    raw = ", ".join(f"raw_{name}" for name in identifiers)
    same = " AND ".join(f"raw_{name} IS NOT DISTINCT FROM {value}" for name, value in identifiers.items())
    return f"""
        SELECT customer_id, {at} AS time, {columns}, '{source}' AS source
        FROM {rows or source} LEFT JOIN (SELECT customer_id, {raw} FROM known WHERE source = '{source}') ON {same}"""


def facts(run):
    run.table("twice", "SELECT event_id FROM web_events GROUP BY ALL HAVING count(*) > 1")
    once = """(FROM web_events WHERE event_id NOT IN (FROM twice)
        UNION ALL SELECT DISTINCT ON (event_id) * FROM web_events WHERE event_id IN (FROM twice))"""
    columns = "event_id AS record_key, name, channel, campaign, page_url, product_id, order_id"
    run.write("events", owned("web_events", columns, once))
    run.phase("write events")

    # A rate holds until the next one; a euro is a euro on every day.
    run.table("rates", """
        SELECT date, currency, max(rate) AS rate FROM finance_fx_rates GROUP BY ALL
        UNION ALL SELECT DATE '0001-01-01', 'EUR', 1""")
    newest = "(FROM shop_orders QUALIFY row_number() OVER (PARTITION BY id ORDER BY updated_at DESC) = 1)"
    columns = """id AS order_id, currency, state AS status, utm_source AS channel, utm_campaign AS campaign, updated_at,
        money(0.01 * total_cents) AS original_amount, money(0.01 * discount_cents) AS discount,
        money(0.01 * cost_cents) AS cost, state NOT IN ('cancelled', 'failed', 'draft', 'pending') AS paid"""
    run.table("placed", f"""
        SELECT o.* REPLACE (money(discount * rate) AS discount, money(cost * rate) AS cost),
            money(original_amount * rate) AS amount, rate
        FROM ({owned('shop_orders', columns, newest)}) o
        ASOF LEFT JOIN rates r ON r.currency = o.currency AND (time AT TIME ZONE '{ZONE}')::DATE >= date""")
    run.write("refunds", """
        SELECT customer_id, refund_id AS record_key, r.order_id, refunded_at AS time, money(r.amount * rate) AS amount,
            coalesce(currency, 'EUR') AS currency, money(r.amount) AS original_amount, 'shop_refunds' AS source
        FROM shop_refunds r LEFT JOIN placed USING (order_id)""")
    run.write("orders", f"""
        SELECT placed.* EXCLUDE (rate), money(coalesce(back, 0)) AS refunded,
            paid AND NOT coalesce(back >= amount, false) AS counts
        FROM placed LEFT JOIN (
            SELECT order_id, sum(amount) AS back FROM refunds WHERE time <= {AS_OF} GROUP BY ALL) USING (order_id)""")
    run.write("order_items", """
        SELECT customer_id, time, i.order_id, product_id, category, quantity::DOUBLE AS quantity,
            money(i.unit_price * rate) AS unit_price, coalesce(currency, 'EUR') AS currency,
            money(i.unit_price) AS original_unit_price, 'shop_order_items' AS source
        FROM shop_order_items i LEFT JOIN placed USING (order_id)""")
    run.db.execute("DROP TABLE placed")
    run.write("subscriptions", owned("billing_subscriptions", "subscription_id, plan, money(mrr) AS mrr, status"))
    columns = "response_id AS record_key, survey, score::DOUBLE AS score, comment"
    run.write("surveys", owned("survey_responses", columns))
    columns = "ticket_id AS record_key, channel, topic AS type, direction, outcome, sentiment"
    run.write("interactions", owned("support_interactions", columns))
    run.write("consents", owned("consent_log", "purpose, granted"))
    run.phase("write other facts")


def golden(run):
    """Each trait by its latest value that is not blank; names from the CRM before the shop before the newsletter."""
    newest = "(FROM crm_contacts QUALIFY row_number() OVER (PARTITION BY contact_id ORDER BY modified_at DESC) = 1)"
    columns = "fname AS first_name, lname AS last_name, dob AS birth_date, city, upper(country) AS country, 0 AS rank"
    profiles = " UNION ALL BY NAME ".join([
        owned("crm_contacts", columns, newest),
        owned("shop_accounts", "first_name, last_name, country, 1 AS rank"),
        owned("email_newsletter", "first_name, 2 AS rank"),
    ])
    ranked = "epoch_us(time) - rank * 100000000000000000"
    by = {"first_name": ranked, "last_name": ranked, "birth_date": "time", "city": "time", "country": "time"}
    traits = ", ".join(f"arg_max({name}, {by}) FILTER (trim({name}::TEXT) <> '') AS {name}" for name, by in by.items())
    latest = ", ".join(f"arg_max({name}, last_at) AS {name}" for name in IDENTIFIERS if name != "record")
    identified = "user_id IS NOT NULL OR crm_id IS NOT NULL OR email IS NOT NULL OR phone IS NOT NULL"
    run.write("customers", f"""
        FROM (SELECT customer_id, {latest}, min(first_at) AS first_seen_at, max(last_at) AS last_seen_at,
                  min(first_at) FILTER ({identified}) AS identified_at, list_sort(list(DISTINCT source)) AS sources
              FROM known WHERE customer_id IS NOT NULL GROUP BY ALL)
        LEFT JOIN (SELECT customer_id, {traits} FROM ({profiles}) GROUP BY ALL) USING (customer_id)""", "customer_id")
    run.phase("write customers")


def lifecycle(run):
    """All instants at which a stage may change, what holds at each, and where that is another stage."""
    past = f"time <= {AS_OF} AND customer_id IS NOT NULL"
    # A subscription that starts is an order, and while one runs nobody is silent.
    run.table("changes", f"""
        SELECT *, running::INTEGER - coalesce(lag(running) OVER w, false)::INTEGER AS step
        FROM (SELECT customer_id, subscription_id, time, mrr > 0 AS running FROM subscriptions WHERE {past})
        WINDOW w AS (PARTITION BY subscription_id ORDER BY time)""")
    run.table("bought", f"""
        SELECT customer_id, time FROM orders WHERE counts AND {past}
        UNION ALL SELECT customer_id, time FROM changes WHERE step = 1""")
    run.table("promoted", f"SELECT customer_id, time FROM events WHERE name = 'referral_sent' AND {past}")
    run.table("scored", f"SELECT customer_id, time, score FROM surveys WHERE survey = 'nps' AND {past}")
    parts = [
        "first_seen_at AS time FROM customers",
        "identified_at AS time, true AS known FROM customers",
        "time, time AS ordered, 1 AS orders, 1 AS recent FROM bought",
        "time + days(365) AS time, -1 AS recent FROM bought",
        "time, step AS running FROM changes",
        "time, time AS closed FROM events WHERE name = 'account_closed'",
        "time, 1 AS referrals FROM promoted",
        "time + days(365) AS time, -1 AS referrals FROM promoted",
        "time, time AS asked, score FROM scored",
        "time + days(365) AS time FROM scored",
        *(f"time + days({days}) AS time FROM {what}"
          for days in [120, 240] for what in ["bought", "changes WHERE step = -1"]),
    ]
    run.table("moments", f"""
        SELECT customer_id, time, coalesce(sum(orders), 0) AS orders, coalesce(sum(recent), 0) AS recent,
            coalesce(sum(running), 0) AS running, coalesce(sum(referrals), 0) AS referrals, max(ordered) AS ordered,
            max(closed) AS closed, max(asked) AS asked, max(score) AS score, coalesce(bool_or(known), false) AS known
        FROM ({' UNION ALL BY NAME '.join(f'SELECT customer_id, {part}' for part in parts)})
        WHERE {past} GROUP BY ALL""")
    # One window over the other: running totals, the end of the last subscription, silence, returns, stages, changes.
    run.write("lifecycle_history", """
        WITH totals AS (
            SELECT customer_id, time, orders > 0 AS orders_now, sum(orders) OVER w AS orders,
                sum(recent) OVER w AS recent, sum(running) OVER w AS running, sum(referrals) OVER w AS referrals,
                max(ordered) OVER w AS ordered, max(closed) OVER w AS closed, max(asked) OVER w AS asked,
                last_value(score IGNORE NULLS) OVER w AS score, bool_or(known) OVER w AS known
            FROM moments WINDOW w AS (PARTITION BY customer_id ORDER BY time ROWS UNBOUNDED PRECEDING)),
        ends AS (
            SELECT *, CASE WHEN running = 0 AND lag(running) OVER w > 0 THEN time END AS ended
            FROM totals WINDOW w AS (PARTITION BY customer_id ORDER BY time)),
        silences AS (
            SELECT *, CASE WHEN running = 0 THEN greatest(ordered, max(ended) OVER w) END AS since
            FROM ends WINDOW w AS (PARTITION BY customer_id ORDER BY time ROWS UNBOUNDED PRECEDING)),
        returns AS (
            SELECT *, CASE WHEN orders_now AND time - lag(since) OVER w > days(240) THEN time END AS returning_at
            FROM silences WINDOW w AS (PARTITION BY customer_id ORDER BY time)),
        stages AS (
            SELECT customer_id, time, CASE
                WHEN closed >= coalesce(ordered, closed) THEN 'terminated'
                WHEN time - since >= days(240) THEN 'lapsed'
                WHEN time - since >= days(120) THEN 'at_risk'
                WHEN orders > 0 AND (score >= 9 AND time - asked < days(365) OR referrals > 0) THEN 'advocacy'
                WHEN orders >= 4 AND recent >= 3 THEN 'loyalty'
                WHEN time - max(returning_at) OVER w < days(120) THEN 'won_back'
                WHEN orders >= 2 THEN 'retention'
                WHEN orders = 1 THEN 'conversion'
                WHEN known THEN 'acquisition'
                ELSE 'awareness' END AS stage
            FROM returns WINDOW w AS (PARTITION BY customer_id ORDER BY time ROWS UNBOUNDED PRECEDING)),
        entered AS (
            SELECT *, lag(stage) OVER (PARTITION BY customer_id ORDER BY time) AS previous_stage
            FROM stages QUALIFY stage IS DISTINCT FROM previous_stage)
        SELECT customer_id, stage, time AS entered_at, previous_stage,
            lead(time) OVER (PARTITION BY customer_id ORDER BY time) AS left_at
        FROM entered""", "customer_id, entered_at")
    run.phase("lifecycle history")


def customer_360(run):
    past = f"time <= {AS_OF} AND customer_id IS NOT NULL"
    spans = [30, 90, 365]
    within = "count(*) FILTER ({} AND time > {} - days({})) AS {}_{}_days"
    orders_within = ", ".join(within.format("counts", AS_OF, days, "orders", days) for days in spans)
    events_within = ", ".join(within.format("true", AS_OF, days, "events", days) for days in spans)
    parts = [
        f"""SELECT customer_id, count(*) FILTER (counts) AS orders, min(time) FILTER (counts) AS first_order_at,
                max(time) FILTER (counts) AS last_order_at, median(gap) AS median_gap_days, {orders_within},
                money(sum(amount) FILTER (paid)) AS gross_revenue, money(sum(refunded) FILTER (paid)) AS refunded,
                count(*) FILTER (paid) AS paid_orders
            FROM (SELECT *, CASE WHEN counts THEN days_between(lag(time) OVER w, time) END AS gap FROM orders
                  WHERE {past} WINDOW w AS (PARTITION BY customer_id, counts ORDER BY time)) GROUP BY ALL""",
        f"""SELECT customer_id, count(*) AS events, min(time) AS first_event_at, max(time) AS last_event_at,
                {events_within} FROM events WHERE {past} GROUP BY ALL""",
        f"""SELECT customer_id, arg_min(channel, time) AS first_touch_channel,
                arg_max(channel, time) AS last_touch_channel
            FROM (SELECT customer_id, time, channel FROM events UNION ALL SELECT customer_id, time, channel FROM orders)
            WHERE trim(channel) <> '' AND {past} GROUP BY ALL""",
        f"""SELECT customer_id, count(*) AS interactions, max(time) AS last_interaction_at
            FROM interactions WHERE {past} GROUP BY ALL""",
        "SELECT customer_id, arg_max(score, time) AS nps_latest, max(time) AS nps_latest_at FROM scored GROUP BY ALL",
        f"""SELECT customer_id, money(sum(mrr)) AS mrr FROM (
                SELECT customer_id, arg_max(mrr, time) AS mrr FROM subscriptions WHERE {past}
                GROUP BY customer_id, subscription_id) GROUP BY ALL""",
    ]
    zero = ["orders", "events", "interactions", "gross_revenue", "refunded"]
    zero += [f"{what}_{days}_days" for what in ["orders", "events"] for days in spans]
    run.write("customer_360", f"""
        SELECT * EXCLUDE (paid_orders) REPLACE ({', '.join(f'coalesce({name}, 0) AS {name}' for name in zero)}),
            {AS_OF} AS as_of_at, money(coalesce(gross_revenue - refunded, 0)) AS net_revenue,
            money(gross_revenue / nullif(paid_orders, 0)) AS aov,
            days_between(first_seen_at, {AS_OF}) AS tenure_days, days_between(last_order_at, {AS_OF}) AS recency_days
        FROM customers
        JOIN (SELECT customer_id, stage AS lifecycle_stage, entered_at AS stage_entered_at, previous_stage
              FROM lifecycle_history WHERE left_at IS NULL) USING (customer_id)
        {' '.join(f'LEFT JOIN ({part}) USING (customer_id)' for part in parts)}""", "customer_id")
    run.phase("customer_360")


def main():
    lake, output = map(Path, sys.argv[1:])
    run = Run(lake, output)
    for step in [sightings, resolve, facts, golden, lifecycle, customer_360]:
        step(run)
    shutil.rmtree(run.work)
    print(json.dumps({
        "customers": run.one("SELECT count(*) FROM customers"),
        "rows": run.rows,
        "orders": run.one("SELECT count(*) FROM orders"),
        "net_revenue": float(run.one("SELECT sum(net_revenue) FROM customer_360")),
        "seconds_by_phase": run.seconds,
    }))


if __name__ == "__main__":
    main()
