SELECT c.email, h.stage, h.entered_at, h.reason
FROM lifecycle_history h JOIN customers c ON c.customer_id = h.customer_id
WHERE c.email IS NOT NULL
ORDER BY c.email, h.entered_at
