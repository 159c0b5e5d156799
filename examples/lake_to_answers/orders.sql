SELECT order_id, customer_email, amount, currency, CAST(created_at AS timestamp) AS created_at
FROM (VALUES
    ('o-1', ' ann@EXAMPLE.com', 30.00, 'EUR', '2026-01-10 12:00:00'),
    ('o-2', 'ann@example.com', 20.00, 'EUR', '2026-02-14 12:00:00'),
    ('o-3', 'cleo@example.com', 50.00, 'EUR', '2025-12-01 12:00:00'),
    ('o-4', NULL, 15.00, 'EUR', '2026-03-01 12:00:00')
) AS orders (order_id, customer_email, amount, currency, created_at)
