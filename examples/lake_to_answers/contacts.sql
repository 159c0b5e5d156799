SELECT contact_id, email, first_name, CAST(modified_at AS timestamp) AS modified_at
FROM (VALUES
    ('c-1', 'Ann@example.com', 'Ann', '2026-01-05 09:00:00'),
    ('c-2', 'ben@example.com', 'Ben', '2026-02-01 10:00:00'),
    ('c-3', 'info@example.com', 'Office', '2026-02-20 08:00:00')
) AS contacts (contact_id, email, first_name, modified_at)
