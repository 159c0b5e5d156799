-- client Grafana, in words of our own unversioned
-- protocol extended

-- What the data source of Grafana asks for, in words of our own: the editor's lists of tables and columns by the search path, what
-- its macros become in queries of panels, variables and alerts. `$__timeFilter(x)` is x BETWEEN two times, `$__timeGroup(x, '1h')` is
-- floor(extract(epoch from x)/3600)*3600, as its documentation says.

-- part a connection
-- == ping
SELECT 1;

-- == an empty statement
;

-- == version
SELECT current_setting('server_version_num')::int / 10000 AS version;

-- == an extension
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb';

-- part the editor
-- == schemas
SELECT s.schema_name AS "name" FROM information_schema.schemata AS s WHERE s.schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast') AND s.schema_name NOT LIKE 'pg\_%' ORDER BY s.schema_name;

-- == tables of a schema
SELECT quote_ident(t.table_name) AS "table" FROM information_schema.tables AS t WHERE quote_ident(t.table_schema) = 'public' ORDER BY 1;

-- == the search path in parts
SELECT trim(part[n]) AS "part", n FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS n, string_to_array(current_setting('search_path'), ',') AS part ORDER BY n;

-- == tables of the search path
SELECT quote_ident(t.table_name) AS "table" FROM information_schema.tables AS t WHERE quote_ident(t.table_schema) IN (SELECT CASE WHEN trim(part[n]) = '"$user"' THEN user ELSE trim(part[n]) END FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS n, string_to_array(current_setting('search_path'), ',') AS part) ORDER BY 1;

-- == tables, those of the search path first
SELECT CASE WHEN quote_ident(t.table_schema) IN (SELECT CASE WHEN trim(part[n]) = '"$user"' THEN user ELSE trim(part[n]) END FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS n, string_to_array(current_setting('search_path'), ',') AS part) THEN quote_ident(t.table_name) ELSE quote_ident(t.table_schema) || '.' || quote_ident(t.table_name) END AS "table" FROM information_schema.tables AS t WHERE quote_ident(t.table_schema) NOT IN ('information_schema', 'pg_catalog') ORDER BY CASE WHEN quote_ident(t.table_schema) IN (SELECT CASE WHEN trim(part[n]) = '"$user"' THEN user ELSE trim(part[n]) END FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1), array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS n, string_to_array(current_setting('search_path'), ',') AS part) THEN 0 ELSE 1 END, 1;

-- == columns of a table
SELECT quote_ident(c.column_name) AS "column", c.data_type AS "type" FROM information_schema.columns AS c WHERE CASE WHEN array_length(parse_ident('orders'), 1) = 2 THEN quote_ident(c.table_schema) = (parse_ident('orders'))[1] AND quote_ident(c.table_name) = (parse_ident('orders'))[2] ELSE quote_ident(c.table_name) = 'orders' AND c.table_schema = 'public' END ORDER BY c.ordinal_position;

-- == columns of a table with its schema
SELECT quote_ident(c.column_name) AS "column", c.data_type AS "type" FROM information_schema.columns AS c WHERE CASE WHEN array_length(parse_ident('raw.shop_orders'), 1) = 2 THEN quote_ident(c.table_schema) = (parse_ident('raw.shop_orders'))[1] AND quote_ident(c.table_name) = (parse_ident('raw.shop_orders'))[2] ELSE quote_ident(c.table_name) = 'raw.shop_orders' END ORDER BY c.ordinal_position;

-- == names with their quotes
SELECT quote_ident('a b') AS a, quote_ident('Mixed') AS b, quote_ident('plain') AS c, parse_ident('"Mixed".plain') AS d, quote_literal('it''s') AS e;

-- == times of a table
SELECT quote_ident(c.column_name) AS "column" FROM information_schema.columns AS c WHERE c.table_name = 'orders' AND c.table_schema = 'public' AND c.data_type IN ('timestamp with time zone', 'timestamp without time zone', 'bigint', 'integer', 'double precision', 'real') ORDER BY c.ordinal_position LIMIT 1;

-- == values of a column
SELECT DISTINCT quote_literal(o.channel) AS "value" FROM orders AS o WHERE o.channel IS NOT NULL ORDER BY 1 LIMIT 100;

-- part panels
-- == rows of a time
SELECT time AS "time", amount AS "amount", channel AS metric FROM orders WHERE time BETWEEN '2026-06-20T00:00:00Z' AND '2026-06-21T23:59:59.999Z' ORDER BY 1;

-- == groups of an hour
SELECT floor(extract(epoch FROM time)/3600)*3600 AS "time", count(*) AS "orders" FROM orders WHERE time BETWEEN '2026-06-20T00:00:00Z' AND '2026-06-22T00:00:00Z' GROUP BY 1 ORDER BY 1;

-- == groups of five minutes with a metric
SELECT floor(extract(epoch FROM time)/300)*300 AS "time", channel AS metric, sum(amount) AS "value" FROM orders WHERE time BETWEEN '2026-06-20T00:00:00Z' AND '2026-06-21T00:00:00Z' GROUP BY 1, 2 ORDER BY 1, 2;

-- == groups of a fraction of a second
SELECT floor(extract(epoch FROM time)/0.5)*0.5 AS "time", min(amount) AS "least" FROM orders WHERE time BETWEEN '2026-06-20T00:00:00Z' AND '2026-06-20T12:00:00Z' GROUP BY 1 ORDER BY 1;

-- == groups of a day
SELECT date_trunc('day', time) AS "time", avg(amount)::numeric(18,4) AS "amount", count(DISTINCT customer_id) AS "customers" FROM orders WHERE time >= '2026-06-15T00:00:00Z' AND time < '2026-06-22T00:00:00Z' GROUP BY 1 ORDER BY 1;

-- == seconds since 1970
SELECT extract(epoch FROM time) AS "time", amount FROM orders WHERE extract(epoch FROM time) >= 1781913600 AND extract(epoch FROM time) <= 1782000000 ORDER BY 1;

-- == whole seconds and nanoseconds since 1970
SELECT extract(epoch FROM time)::bigint AS "time", (extract(epoch FROM time) * 1000000000)::bigint AS "nanoseconds" FROM orders WHERE time BETWEEN '2026-06-20T00:00:00Z' AND '2026-06-20T12:00:00Z' ORDER BY 1;

-- == bounds of a panel
SELECT '2026-06-20T00:00:00Z'::timestamptz AS "from", '2026-06-21T00:00:00Z'::timestamptz AS "to", 1781913600 AS "from_epoch";

-- == a window over groups
SELECT "time", "orders", sum("orders") OVER (ORDER BY "time") AS "running", lag("orders") OVER (ORDER BY "time") AS "before" FROM (SELECT date_trunc('week', time) AS "time", count(*) AS "orders" FROM orders WHERE time BETWEEN '2026-04-01T00:00:00Z' AND '2026-07-01T00:00:00Z' GROUP BY 1) AS g ORDER BY "time";

-- == per second
SELECT "time", ("value" - lag("value") OVER (ORDER BY "time")) / extract(epoch FROM "time" - lag("time") OVER (ORDER BY "time")) AS "rate" FROM (SELECT date_trunc('day', time) AS "time", count(*)::float8 AS "value" FROM orders WHERE time BETWEEN '2026-06-15T00:00:00Z' AND '2026-06-20T00:00:00Z' GROUP BY 1) AS g ORDER BY 1;

-- == median of groups
SELECT date_trunc('month', time) AS "time", percentile_cont(0.95) WITHIN GROUP (ORDER BY amount) AS "p95" FROM orders WHERE time >= '2026-03-01T00:00:00Z' GROUP BY 1 ORDER BY 1;

-- == a table of a panel
SELECT lifecycle_stage AS "Stage", count(*) AS "Customers", sum(net_revenue) AS "Revenue", max(last_order_at) AS "Last order" FROM customer_360 GROUP BY 1 ORDER BY 2 DESC, 1;

-- == annotations
SELECT extract(epoch FROM entered_at) AS time, stage AS text, 'stage' AS tags FROM lifecycle_history WHERE entered_at BETWEEN '2026-06-01T00:00:00Z' AND '2026-06-10T00:00:00Z' ORDER BY 1, 2;

-- == annotations with an end
SELECT floor(extract(epoch FROM entered_at)) * 1000 AS time, floor(extract(epoch FROM left_at)) * 1000 AS timeend, stage AS title FROM lifecycle_history WHERE left_at IS NOT NULL AND entered_at >= '2026-06-01T00:00:00Z' ORDER BY 1, 2, 3 LIMIT 5;

-- part variables and alerts
-- == values of a variable
SELECT DISTINCT channel FROM orders ORDER BY 1;

-- == texts and values of a variable
SELECT initcap(replace(stage, '_', ' ')) AS __text, stage AS __value FROM (SELECT DISTINCT stage FROM lifecycle_history) AS s ORDER BY 2;

-- == a variable of several values
SELECT count(*) FROM orders WHERE channel IN ('email','direct','organic_search');

-- == all values of a variable
SELECT count(*) FROM orders WHERE channel ~* '.*' OR channel = ANY(ARRAY['email','direct']);

-- == a variable that searches
SELECT segment FROM segments WHERE segment ILIKE '%' || 'win' || '%' ORDER BY 1;

-- == an alert
SELECT count(*)::float8 AS value FROM orders WHERE NOT paid AND time BETWEEN '2026-01-01T00:00:00Z' AND '2026-07-01T00:00:00Z' HAVING count(*) >= 0;

-- == an alert of several series
SELECT channel AS "series", max(amount)::float8 AS "value" FROM orders GROUP BY 1 HAVING max(amount) > 0 ORDER BY 1;
