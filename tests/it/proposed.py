"""What the landed files of the demo say, counted without Perennial: one line for each question, values between bars."""

import sys

import duckdb

connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
for name in [
    "shop/accounts", "shop/orders", "shop/order_items", "shop/refunds", "crm/contacts", "email/newsletter",
    "web/events", "support/interactions", "surveys/responses", "billing/subscriptions", "consents", "ads/spend",
    "finance/fx_rates",
]:
    view = name.replace("/", "_")
    files = f"read_parquet('{sys.argv[1]}/{name}/**/*.parquet', hive_partitioning = false)"
    connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {files}")
# Of every order its newest version, no baskets; what has been paid; the rate of its day or the last before.
connection.execute("""
    CREATE TABLE orders AS
    WITH versions AS (
        SELECT *, row_number() OVER (PARTITION BY id ORDER BY updated_at DESC) AS newest
        FROM shop_orders WHERE state IS DISTINCT FROM 'draft')
    SELECT id, currency, total_cents / 100.0 AS amount, created_at::date AS day,
           state NOT IN ('cancelled', 'canceled', 'failed', 'pending') AS paid
    FROM versions WHERE newest = 1""")
connection.execute("""
    CREATE TABLE rated AS
    SELECT o.*, CASE WHEN o.currency = 'EUR' THEN 1.0 ELSE r.rate END AS rate
    FROM orders o ASOF LEFT JOIN finance_fx_rates r ON o.currency = r.currency AND o.day >= r.date""")
for question in [
    "SELECT currency, count(*), sum(amount)::decimal(18, 4) FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT currency, count(*), sum(amount)::decimal(18, 4) FROM orders WHERE paid GROUP BY 1 ORDER BY 1",
    """SELECT round(sum(amount * rate) - (SELECT sum(f.amount * r.rate) FROM shop_refunds f JOIN rated r ON f.order_id = r.id
       WHERE r.paid), 0)::bigint FROM rated WHERE paid""",
    """SELECT count(*), round(sum(quantity * round(i.unit_price * rate, 4)), 0)::bigint
       FROM shop_order_items i LEFT JOIN rated r ON i.order_id = r.id""",
    "SELECT count(*), sum(amount) FROM shop_refunds",
    "SELECT count(DISTINCT event_id) FROM web_events",
    "SELECT name, count(DISTINCT event_id) FROM web_events GROUP BY 1 ORDER BY 1",
    "SELECT channel, topic, direction, count(DISTINCT ticket_id) FROM support_interactions GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT survey, count(DISTINCT response_id), avg(score)::decimal(9, 4) FROM surveys_responses GROUP BY 1 ORDER BY 1",
    "SELECT count(DISTINCT subscription_id) FROM billing_subscriptions",
    "SELECT purpose, count(*), count(*) FILTER (WHERE granted) FROM consents GROUP BY 1 ORDER BY 1",
    "SELECT currency, channel, sum(amount)::decimal(18, 4) FROM ads_spend GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT count(DISTINCT user_id) FROM shop_accounts",
    "SELECT count(DISTINCT contact_id) FROM crm_contacts",
]:
    for row in connection.execute(question).fetchall():
        print("|".join("" if value is None else str(value) for value in row))
    print("--")
