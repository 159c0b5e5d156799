-- client Metabase, in words of our own unversioned
-- protocol extended

-- What Metabase asks for by pgjdbc, in words of our own: its settings, the sync of tables, fields and keys, the fingerprints and the
-- scan of values, and the questions of its editor. A role that may only read sees no constraints of information_schema on
-- PostgreSQL, so that their rows are left out.

-- part a connection
-- == digits of floats
SET extra_float_digits = 3;

-- == name of the program
SET application_name = 'Metabase v0.50.0 [test]';

-- == isolation
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;

-- == time zone of the report
SET SESSION TIMEZONE TO 'Europe/Berlin';

-- == time zone
SHOW TIMEZONE;

-- == time zone as it was
RESET TIMEZONE;

-- == a transaction that reads
BEGIN READ ONLY;

-- == inside of it
SELECT 1 AS one;

-- == its end
COMMIT;

-- == is it alive
SELECT TRUE;

-- == version
-- without rows
SELECT version();

-- part sync
-- == schemas that may be used
SELECT n.nspname AS schema FROM pg_catalog.pg_namespace AS n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') ORDER BY 1;

-- == tables with comments and estimates
-- without estimate
-- with varchar public
SELECT n.nspname AS schema, c.relname AS name, CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE NULL END AS kind, d.description, s.n_live_tup AS estimate FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid LEFT JOIN pg_catalog.pg_description AS d ON (c.oid = d.objoid) AND (d.objsubid = 0) AND (d.classoid = 'pg_class'::regclass) LEFT JOIN pg_stat_user_tables AS s ON (n.nspname = s.schemaname) AND (c.relname = s.relname) WHERE (n.nspname !~ '^pg_') AND (n.nspname <> 'information_schema') AND c.relkind IN ('r', 'p', 'v', 'f', 'm') AND n.nspname IN ($1) ORDER BY kind ASC, schema ASC, name ASC;

-- == privileges of tables
SELECT t.schemaname AS schema, t.tablename AS name, pg_catalog.has_table_privilege(current_user, format('%I.%I', t.schemaname, t.tablename)::regclass, 'SELECT') AS can_read, pg_catalog.has_any_column_privilege(current_user, format('%I.%I', t.schemaname, t.tablename)::regclass, 'UPDATE') AS can_change, pg_catalog.has_table_privilege(current_user, '"' || t.schemaname || '"."' || t.tablename || '"', 'DELETE') AS can_delete FROM pg_catalog.pg_tables AS t WHERE t.schemaname = 'public' UNION SELECT v.schemaname, v.viewname, pg_catalog.has_table_privilege(current_user, '"' || v.schemaname || '"."' || v.viewname || '"', 'SELECT'), false, false FROM pg_catalog.pg_views AS v WHERE v.schemaname = 'public' UNION SELECT m.schemaname, m.matviewname, true, false, false FROM pg_catalog.pg_matviews AS m WHERE m.schemaname = 'public' ORDER BY 1, 2;

-- == fields
-- with varchar public
SELECT f.column_name AS name, CASE WHEN f.udt_schema IN ('public', 'pg_catalog') THEN format('%s', f.udt_name) ELSE format('"%s"."%s"', f.udt_schema, f.udt_name) END AS kind, f.ordinal_position - 1 AS place, f.table_schema, f.table_name, col_description(CAST(CAST(format('%I.%I', CAST(f.table_schema AS text), CAST(f.table_name AS text)) AS regclass) AS oid), f.ordinal_position) AS comment, ((f.column_default IS NULL) OR (lower(f.column_default) = 'null')) AND (f.is_nullable = 'NO') AND NOT ((f.column_default IS NOT NULL AND f.column_default LIKE '%nextval(%') OR f.is_identity <> 'NO') AS required FROM information_schema.columns AS f WHERE f.table_schema !~ '^information_schema|pg_' AND f.table_schema IN ($1) AND f.table_name IN ('orders', 'segments', 'customers') ORDER BY f.table_schema, f.table_name, place;

-- == keys of fields
-- without rows
SELECT t.table_schema, t.table_name, k.column_name FROM information_schema.table_constraints AS t INNER JOIN information_schema.key_column_usage AS k ON t.constraint_name = k.constraint_name AND t.table_schema = k.table_schema AND t.table_name = k.table_name WHERE t.constraint_type = 'PRIMARY KEY';

-- == fields of materialized views
SELECT a.attname AS name, CASE WHEN tn.nspname IN ('public', 'pg_catalog') THEN format('%s', t.typname) ELSE format('"%s"."%s"', tn.nspname, t.typname) END AS kind, a.attnum - 1 AS place, n.nspname AS table_schema, c.relname AS table_name FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid INNER JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid INNER JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.typnamespace WHERE c.relkind = 'm' AND a.attnum >= 1 ORDER BY 4, 5, 3;

-- == what fields refer to
-- with varchar public
SELECT fn.nspname AS fk_schema, ft.relname AS fk_table, fa.attname AS fk_column, pn.nspname AS pk_schema, pt.relname AS pk_table, pa.attname AS pk_column FROM pg_constraint AS k INNER JOIN pg_class AS ft ON k.conrelid = ft.oid INNER JOIN pg_namespace AS fn ON ft.relnamespace = fn.oid INNER JOIN pg_attribute AS fa ON fa.attrelid = ft.oid AND fa.attnum = ANY(k.conkey) INNER JOIN pg_class AS pt ON k.confrelid = pt.oid INNER JOIN pg_namespace AS pn ON pt.relnamespace = pn.oid INNER JOIN pg_attribute AS pa ON pa.attrelid = pt.oid AND pa.attnum = ANY(k.confkey) WHERE fn.nspname !~ '^information_schema|pg_' AND k.contype = 'f'::char AND fn.nspname IN ($1) ORDER BY 1, 2, 3;

-- == columns that lead an index
SELECT t.schema, t.name, trim(BOTH '"' FROM pg_catalog.pg_get_indexdef(t.index, t.place, false)) AS field FROM (SELECT n.nspname AS schema, c.relname AS name, (information_schema._pg_expandarray(i.indkey)).n AS place, i.indexrelid AS index FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_index AS i ON c.oid = i.indrelid INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid WHERE i.indpred IS NULL AND n.nspname = 'public') AS t WHERE t.place = 1 ORDER BY 1, 2, 3;

-- == types with labels
SELECT n.nspname, t.typname FROM pg_type AS t INNER JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE t.oid IN (SELECT DISTINCT e.enumtypid FROM pg_enum AS e);

-- == does a table exist
SELECT 1 AS found FROM "public"."orders" WHERE 1 = 0;

-- part fingerprints and values
-- == a sample of a table
SELECT SUBSTRING("public"."orders"."status", 1, 1234) AS "status", "public"."orders"."amount" AS "amount", "public"."orders"."paid" AS "paid" FROM "public"."orders" ORDER BY "public"."orders"."order_id" LIMIT 5;

-- == values of a field
SELECT "public"."orders"."channel" AS "channel" FROM "public"."orders" GROUP BY "public"."orders"."channel" ORDER BY "public"."orders"."channel" ASC LIMIT 1001;

-- == different values of a field
SELECT COUNT(DISTINCT "public"."orders"."customer_id") AS "count" FROM "public"."orders" LIMIT 2000;

-- == bounds of a number and a time
SELECT MIN("public"."orders"."amount") AS "min", MAX("public"."orders"."amount") AS "max", MIN("public"."orders"."time") AS "min_2", MAX("public"."orders"."time") AS "max_2" FROM "public"."orders";

-- == a field of a document
SELECT ("public"."events"."properties"::jsonb #>> array['month']::text[])::text AS "month", COUNT(*) AS "count" FROM "public"."events" WHERE "public"."events"."properties" IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 ASC LIMIT 3;

-- part questions
-- == rows
SELECT "public"."segments"."segment" AS "segment", "public"."segments"."definition" AS "definition", "public"."segments"."members" AS "members" FROM "public"."segments" ORDER BY "public"."segments"."segment" ASC LIMIT 2000;

-- == count by month
SELECT CAST(DATE_TRUNC('month', "public"."orders"."time") AS date) AS "time", COUNT(*) AS "count" FROM "public"."orders" WHERE "public"."orders"."time" >= timestamp with time zone '2025-10-01 00:00:00.000Z' GROUP BY CAST(DATE_TRUNC('month', "public"."orders"."time") AS date) ORDER BY CAST(DATE_TRUNC('month', "public"."orders"."time") AS date) ASC;

-- == sum by week that begins on Sunday
SELECT CAST((CAST(DATE_TRUNC('week', ("public"."orders"."time" + INTERVAL '1 day')) AS timestamp) + INTERVAL '-1 day') AS date) AS "time", SUM("public"."orders"."amount") AS "sum" FROM "public"."orders" WHERE "public"."orders"."time" >= timestamp with time zone '2026-05-01 00:00:00.000Z' GROUP BY 1 ORDER BY 1 ASC;

-- == by quarter and year
SELECT DATE_TRUNC('quarter', "public"."orders"."time") AS "time", DATE_TRUNC('year', "public"."orders"."time") AS "time_2", COUNT(*) AS "count" FROM "public"."orders" GROUP BY 1, 2 ORDER BY 1 ASC, 2 ASC;

-- == by hour of the day
SELECT CAST(extract(hour FROM "public"."orders"."time") AS integer) AS "time", COUNT(*) AS "count" FROM "public"."orders" GROUP BY CAST(extract(hour FROM "public"."orders"."time") AS integer) ORDER BY CAST(extract(hour FROM "public"."orders"."time") AS integer) ASC;

-- == by day of the week
SELECT ((CAST(extract(dow FROM "public"."orders"."time") AS integer) + 1)) AS "time", COUNT(*) AS "count" FROM "public"."orders" GROUP BY 1 ORDER BY 1 ASC;

-- == by week of the year
SELECT CAST(ceil(((CAST(extract(doy FROM "public"."orders"."time") AS integer) + 6) / 7.0)) AS integer) AS "week", COUNT(*) AS "count" FROM "public"."orders" GROUP BY 1 ORDER BY 1 ASC LIMIT 5;

-- == in the zone of the report
SELECT DATE_TRUNC('day', timezone('Europe/Berlin', "public"."orders"."time")) AS "time", COUNT(*) AS "count" FROM "public"."orders" WHERE "public"."orders"."time" >= timestamp with time zone '2026-06-20 00:00:00.000+02:00' GROUP BY 1 ORDER BY 1 ASC;

-- == binned numbers
SELECT FLOOR(("public"."orders"."amount" / 25.0)) * 25.0 AS "amount", COUNT(*) AS "count" FROM "public"."orders" GROUP BY FLOOR(("public"."orders"."amount" / 25.0)) * 25.0 ORDER BY FLOOR(("public"."orders"."amount" / 25.0)) * 25.0 ASC;

-- == binned numbers with an offset
SELECT (FLOOR((("public"."customer_360"."net_revenue" - 10.0) / 50.0)) * 50.0) + 10.0 AS "net_revenue", COUNT(*) AS "count" FROM "public"."customer_360" WHERE "public"."customer_360"."net_revenue" IS NOT NULL GROUP BY 1 ORDER BY 1 ASC LIMIT 4;

-- == a join
SELECT "Customers"."lifecycle_stage" AS "Customers__lifecycle_stage", COUNT(*) AS "count", AVG("public"."orders"."amount") AS "avg" FROM "public"."orders" LEFT JOIN "public"."customer_360" AS "Customers" ON "public"."orders"."customer_id" = "Customers"."customer_id" GROUP BY "Customers"."lifecycle_stage" ORDER BY "count" DESC, "Customers"."lifecycle_stage" ASC;

-- == a question over a question
SELECT "source"."channel" AS "channel", MAX("source"."count") AS "max" FROM (SELECT "public"."orders"."channel" AS "channel", DATE_TRUNC('month', "public"."orders"."time") AS "time", COUNT(*) AS "count" FROM "public"."orders" GROUP BY "public"."orders"."channel", DATE_TRUNC('month', "public"."orders"."time")) AS "source" GROUP BY "source"."channel" ORDER BY "source"."channel" ASC;

-- == a filter with a parameter
-- with varchar email
SELECT COUNT(*) AS "count" FROM "public"."orders" WHERE "public"."orders"."channel" = $1;

-- == a filter that ignores case
-- with varchar %mail%
SELECT COUNT(*) AS "count" FROM "public"."orders" WHERE (LOWER("public"."orders"."channel") LIKE $1);

-- == not null and not this
-- with varchar email
SELECT COUNT(*) AS "count" FROM "public"."orders" WHERE ("public"."orders"."channel" <> $1) OR ("public"."orders"."channel" IS NULL);

-- == the last twelve months
-- without rows
SELECT COUNT(*) AS "count" FROM "public"."orders" WHERE ("public"."orders"."time" >= DATE_TRUNC('month', (NOW() + INTERVAL '-12 month'))) AND ("public"."orders"."time" < DATE_TRUNC('month', NOW()));

-- == a share of rows
SELECT CAST(SUM(CASE WHEN "public"."orders"."paid" = TRUE THEN 1 ELSE 0.0 END) AS DOUBLE PRECISION) / NULLIF(COUNT(*), 0.0) AS "share" FROM "public"."orders";

-- == a running sum
SELECT CAST(DATE_TRUNC('month', "public"."orders"."time") AS date) AS "time", SUM(SUM("public"."orders"."amount")) OVER (ORDER BY CAST(DATE_TRUNC('month', "public"."orders"."time") AS date) ASC ROWS UNBOUNDED PRECEDING) AS "sum" FROM "public"."orders" WHERE "public"."orders"."time" >= timestamp with time zone '2026-01-01 00:00:00.000Z' GROUP BY CAST(DATE_TRUNC('month', "public"."orders"."time") AS date) ORDER BY CAST(DATE_TRUNC('month', "public"."orders"."time") AS date) ASC;

-- == median and percentile
SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY "public"."orders"."amount") AS "median", PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY "public"."orders"."amount") AS "percentile", STDDEV_POP("public"."orders"."amount")::numeric(18,6) AS "stddev", VAR_POP("public"."orders"."discount")::numeric(18,6) AS "variance" FROM "public"."orders";

-- == columns of their own
SELECT CONCAT("public"."orders"."channel", ' / ', "public"."orders"."status") AS "both", COALESCE("public"."orders"."campaign", 'none') AS "campaign", CASE WHEN "public"."orders"."amount" > 50 THEN 'large' ELSE 'small' END AS "size", CHAR_LENGTH("public"."orders"."order_id") AS "length", SUBSTRING("public"."orders"."order_id" FROM '[0-9]+') AS "digits", ROUND("public"."orders"."amount") AS "round", REPLACE("public"."orders"."channel", '_', ' ') AS "replaced", TRIM(BOTH ' ' FROM ' a ') AS "trimmed", SPLIT_PART("public"."orders"."channel", '_', 1) AS "first" FROM "public"."orders" ORDER BY "public"."orders"."order_id" ASC LIMIT 3;

-- == numbers of their own
SELECT CEIL("public"."orders"."amount") AS "ceil", ABS(-1 * "public"."orders"."amount") AS "abs", SQRT("public"."orders"."amount")::numeric(18,6) AS "sqrt", POWER("public"."orders"."amount", 2.0)::numeric(18,4) AS "power", LOG("public"."orders"."amount")::numeric(18,6) AS "log", CAST("public"."orders"."amount" AS DOUBLE PRECISION) / NULLIF(3.0, 0) AS "third" FROM "public"."orders" ORDER BY "public"."orders"."order_id" ASC LIMIT 2;

-- == days between two times
SELECT CAST(extract(epoch FROM (CAST(DATE_TRUNC('day', "public"."orders"."updated_at") AS timestamp) - CAST(DATE_TRUNC('day', "public"."orders"."time") AS timestamp))) / 86400 AS integer) AS "days", COUNT(*) AS "count" FROM "public"."orders" GROUP BY 1 ORDER BY 1 ASC LIMIT 5;

-- == months between two times
SELECT ((extract(year FROM age("public"."orders"."updated_at", "public"."orders"."time")) * 12) + extract(month FROM age("public"."orders"."updated_at", "public"."orders"."time")))::integer AS "months", COUNT(*) AS "count" FROM "public"."orders" GROUP BY 1 ORDER BY 1 ASC LIMIT 3;

-- == a pivot
SELECT "public"."orders"."status" AS "status", "public"."orders"."channel" AS "channel", 0 AS "pivot-grouping", COUNT(*) AS "count" FROM "public"."orders" GROUP BY "public"."orders"."status", "public"."orders"."channel", 3 ORDER BY "public"."orders"."status" ASC, "public"."orders"."channel" ASC, "pivot-grouping" ASC LIMIT 4;

-- == statement of a user with a comment and a variable
-- with varchar 2026-01-01
SELECT count(*) FROM orders WHERE time > CAST($1 AS date) /* of a dashboard */;

-- == a statement of a user with a question as a table
WITH "months" AS (SELECT date_trunc('month', time)::date AS month, sum(amount) AS revenue FROM orders GROUP BY 1) SELECT month, revenue, revenue - lag(revenue) OVER (ORDER BY month) AS change FROM "months" ORDER BY month DESC LIMIT 3;
