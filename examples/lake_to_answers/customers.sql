SELECT email, first_name, lifecycle_stage, orders, net_revenue, sources FROM customer_360 ORDER BY email
