-- client Tableau, in words of our own unversioned
-- protocol simple

-- What Tableau asks for by ODBC, in words of our own: several settings in one message, cursors that are held, keys by places of
-- arrays, the test for temporary tables, and what sheets, filters, sets, levels of detail and dates become. psqlODBC itself has a
-- suite of its own; what it asks of columns and of the places of a primary key is cut from what it sent to a PostgreSQL that logs.

-- part a connection
-- == settings in one message
SET DateStyle = 'ISO'; SET extra_float_digits = 2; SHOW transaction_isolation;

-- == is there a type of large objects
SELECT oid, typbasetype FROM pg_type WHERE typname = 'lo';

-- == version
-- without rows
SELECT version();

-- == a temporary table
CREATE LOCAL TEMPORARY TABLE "#Tableau_1_2_Connect_Check" ("COL" INTEGER) ON COMMIT PRESERVE ROWS;

-- == a row of it
INSERT INTO "#Tableau_1_2_Connect_Check" ("COL") VALUES (1);

-- == what is in it
SELECT "COL" FROM "#Tableau_1_2_Connect_Check";

-- == its end
DROP TABLE "#Tableau_1_2_Connect_Check";

-- part cursors
-- == declared with its first rows
BEGIN; DECLARE "SQL_CUR0x55aa" CURSOR WITH HOLD FOR SELECT segment, members FROM public.segments ORDER BY segment; FETCH 2 IN "SQL_CUR0x55aa";

-- == more rows
FETCH 10 IN "SQL_CUR0x55aa";

-- == no more rows
FETCH 10 IN "SQL_CUR0x55aa";

-- == closed with its transaction
CLOSE "SQL_CUR0x55aa"; COMMIT;

-- == names and types before rows
SELECT * FROM (SELECT segment, members FROM public.segments) AS "Custom SQL Query" LIMIT 0;

-- part tables and keys
-- == tables and views
SELECT NULL AS table_cat, n.nspname AS table_schem, c.relname AS table_name, CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' ELSE NULL END AS table_type, d.description AS remarks FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0) LEFT JOIN pg_catalog.pg_class dc ON (d.classoid = dc.oid AND dc.relname = 'pg_class') LEFT JOIN pg_catalog.pg_namespace dn ON (dn.oid = dc.relnamespace AND dn.nspname = 'pg_catalog') WHERE c.relnamespace = n.oid AND n.nspname = 'public' AND c.relkind IN ('r', 'v') ORDER BY 4, 2, 3;

-- == columns of a table
SELECT n.nspname, c.relname, a.attname, a.atttypid, t.typname, a.attnum, a.attlen, a.atttypmod, a.attnotnull, c.relhasrules, c.relkind, pg_get_expr(d.adbin, d.adrelid) AS def, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE 0 END AS base, t.typtypmod FROM (((pg_catalog.pg_class c INNER JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND c.relname = 'segments' AND n.nspname = 'public') INNER JOIN pg_catalog.pg_attribute a ON (NOT a.attisdropped) AND a.attnum > 0 AND a.attrelid = c.oid) INNER JOIN pg_catalog.pg_type t ON t.oid = a.atttypid) LEFT OUTER JOIN pg_attrdef d ON a.atthasdef AND d.adrelid = a.attrelid AND d.adnum = a.attnum ORDER BY n.nspname, c.relname, a.attnum;

-- == columns of a primary key
SELECT r.table_name, r.column_name, r.key_seq, r.pk_name FROM (SELECT n.nspname AS table_schem, ct.relname AS table_name, a.attname AS column_name, (information_schema._pg_expandarray(i.indkey)).n AS key_seq, ci.relname AS pk_name, information_schema._pg_expandarray(i.indkey) AS keys, a.attnum AS place FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON ct.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON ct.relnamespace = n.oid JOIN pg_catalog.pg_index i ON a.attrelid = i.indrelid JOIN pg_catalog.pg_class ci ON ci.oid = i.indexrelid WHERE n.nspname = 'public' AND ct.relname = 'orders' AND i.indisprimary) r WHERE r.place = (r.keys).x ORDER BY r.table_name, r.pk_name, r.key_seq;

-- == columns of a primary key by their places
SELECT ta.attname, ia.attnum FROM pg_catalog.pg_attribute ta, pg_catalog.pg_attribute ia, pg_catalog.pg_class tc, pg_catalog.pg_index i, pg_catalog.pg_namespace n, pg_catalog.pg_class ic WHERE tc.relname = 'orders' AND n.nspname = 'public' AND tc.oid = i.indrelid AND n.oid = tc.relnamespace AND i.indisprimary = 't' AND ia.attrelid = i.indexrelid AND ta.attrelid = i.indrelid AND ta.attnum = i.indkey[ia.attnum - 1] AND ic.oid = i.indexrelid ORDER BY ia.attnum;

-- == places of an index
SELECT i.indkey[0] AS first, i.indkey[1] AS second, i.indkey[2] AS third FROM pg_catalog.pg_index i WHERE i.indrelid = 'public.orders'::regclass;

-- == columns of foreign keys
SELECT pk.relname AS pk_table, pa.attname AS pk_column, fk.relname AS fk_table, fa.attname AS fk_column, p.n AS key_seq, CASE con.confupdtype WHEN 'c' THEN 0 WHEN 'n' THEN 2 WHEN 'd' THEN 4 WHEN 'r' THEN 1 WHEN 'a' THEN 3 ELSE NULL END AS update_rule, con.conname AS fk_name, ix.relname AS pk_name FROM pg_catalog.pg_class pk, pg_catalog.pg_attribute pa, pg_catalog.pg_class fk, pg_catalog.pg_attribute fa, pg_catalog.pg_constraint con, pg_catalog.generate_series(1, 32) p(n), pg_catalog.pg_class ix WHERE pk.oid = pa.attrelid AND pa.attnum = con.confkey[p.n] AND con.confrelid = pk.oid AND fk.oid = fa.attrelid AND fa.attnum = con.conkey[p.n] AND con.conrelid = fk.oid AND con.contype = 'f' AND ix.relkind IN ('i', 'I') AND ix.oid = con.conindid AND fk.relname IN ('segment_members', 'orders') ORDER BY 1, 7, p.n;

-- part sheets
-- == number of rows
SELECT COUNT(1) AS "cnt:orders:ok" FROM "public"."orders" "orders" HAVING (COUNT(1) > 0);

-- == a sum by a dimension
SELECT "orders"."channel" AS "channel", SUM("orders"."amount") AS "sum:amount:ok" FROM "public"."orders" "orders" GROUP BY 1 ORDER BY 1;

-- == by quarter
SELECT DATE_TRUNC( 'QUARTER', CAST("orders"."time" AS TIMESTAMP) ) AS "tqr:time:ok", COUNT(DISTINCT "orders"."customer_id") AS "ctd:customer_id:ok" FROM "public"."orders" "orders" GROUP BY 1 ORDER BY 1;

-- == by year and part of the year
SELECT CAST(TRUNC(EXTRACT(YEAR FROM "orders"."time")) AS INTEGER) AS "yr:time:ok", CAST(TRUNC(EXTRACT(QUARTER FROM "orders"."time")) AS INTEGER) AS "qr:time:ok", AVG(CAST("orders"."amount" AS DOUBLE PRECISION))::numeric(18,4) AS "avg:amount:ok" FROM "public"."orders" "orders" GROUP BY 1, 2 ORDER BY 1, 2;

-- == by day of the week
SELECT (1 + CAST(EXTRACT(DOW FROM "orders"."time") AS INTEGER)) AS "wd:time:ok", COUNT("orders"."order_id") AS "cnt:order_id:ok" FROM "public"."orders" "orders" GROUP BY 1 ORDER BY 1;

-- == by week that begins on Sunday
SELECT (DATE_TRUNC( 'DAY', CAST("orders"."time" AS TIMESTAMP) ) + (-EXTRACT(DOW FROM "orders"."time") * INTERVAL '1 DAY')) AS "twk:time:ok", SUM("orders"."amount") AS "sum:amount:ok" FROM "public"."orders" "orders" WHERE "orders"."time" >= (TIMESTAMP '2026-05-20 00:00:00.000') GROUP BY 1 ORDER BY 1;

-- == by month as text
SELECT TO_CHAR("orders"."time", 'YYYY-MM') AS "month", MIN("orders"."time") AS "min:time:ok", MAX("orders"."amount") AS "max:amount:ok" FROM "public"."orders" "orders" WHERE "orders"."time" < (TIMESTAMP '2023-04-01 00:00:00.000') GROUP BY 1 ORDER BY 1;

-- == a filter of values
SELECT "orders"."status" AS "status", COUNT(1) AS "n" FROM "public"."orders" "orders" WHERE ("orders"."channel" IN ('direct', 'email')) GROUP BY 1 ORDER BY 1;

-- == a filter that leaves out
SELECT COUNT(1) AS "n" FROM "public"."orders" "orders" WHERE (NOT (("orders"."channel" IS NOT DISTINCT FROM 'email') OR ("orders"."channel" IS NULL)));

-- == a filter of a range
SELECT COUNT(1) AS "n", SUM("orders"."amount") AS "s" FROM "public"."orders" "orders" WHERE (("orders"."amount" >= 10.) AND ("orders"."amount" <= 49.989999999999995));

-- == a filter of dates
SELECT COUNT(1) AS "n" FROM "public"."orders" "orders" WHERE ((CAST("orders"."time" AS DATE) >= (DATE '2026-06-01')) AND (CAST("orders"."time" AS DATE) <= (DATE '2026-06-30')));

-- == a filter relative to today
-- without rows
SELECT COUNT(1) AS "n" FROM "public"."orders" "orders" WHERE (("orders"."time" >= DATE_TRUNC( 'MONTH', CAST((CURRENT_TIMESTAMP + -11 * INTERVAL '1 MONTH') AS TIMESTAMP) )) AND ("orders"."time" < (DATE_TRUNC( 'MONTH', CAST(CURRENT_TIMESTAMP AS TIMESTAMP) ) + 1 * INTERVAL '1 MONTH')));

-- == bounds of a filter
SELECT MIN("orders"."time") AS "lower", MAX("orders"."time") AS "upper" FROM "public"."orders" "orders" HAVING (COUNT(1) > 0);

-- == the best of a dimension
SELECT "orders"."channel" AS "channel", SUM("orders"."amount") AS "sum:amount:ok" FROM "public"."orders" "orders" JOIN (SELECT "orders"."channel" AS "channel", SUM("orders"."amount") AS "$__alias__0" FROM "public"."orders" "orders" GROUP BY 1 ORDER BY 2 DESC NULLS LAST, 1 LIMIT 2) "t0" ON ("orders"."channel" IS NOT DISTINCT FROM "t0"."channel") GROUP BY 1 ORDER BY 1;

-- == a level of detail
SELECT "t0"."first" AS "first", COUNT(DISTINCT "orders"."customer_id") AS "ctd" FROM "public"."orders" "orders" INNER JOIN (SELECT "orders"."customer_id" AS "customer_id", CAST(TRUNC(EXTRACT(YEAR FROM MIN("orders"."time"))) AS INTEGER) AS "first" FROM "public"."orders" "orders" GROUP BY 1) "t0" ON ("orders"."customer_id" IS NOT DISTINCT FROM "t0"."customer_id") GROUP BY 1 ORDER BY 1;

-- == a set
SELECT (CASE WHEN (("orders"."channel" = 'email') OR ("orders"."channel" = 'direct')) THEN 1 ELSE 0 END) AS "io:set:ok", SUM("orders"."amount") AS "s" FROM "public"."orders" "orders" GROUP BY 1 ORDER BY 1;

-- == bins
SELECT CAST(FLOOR("orders"."amount" / 20.0) AS BIGINT) AS "amount (bin)", COUNT(1) AS "n" FROM "public"."orders" "orders" GROUP BY 1 ORDER BY 1;

-- == a calculation
SELECT (CASE WHEN (SUM("orders"."amount") = 0) THEN NULL ELSE CAST(SUM("orders"."discount") AS DOUBLE PRECISION) / SUM("orders"."amount") END)::numeric(18,6) AS "ratio", SUM((CASE WHEN "orders"."paid" THEN 1 WHEN NOT "orders"."paid" THEN 0 ELSE NULL END)) AS "paid" FROM "public"."orders" "orders" HAVING (COUNT(1) > 0);

-- == calculations of texts
SELECT LEFT("orders"."channel", 3) AS "a", UPPER("orders"."channel") AS "b", POSITION('a' IN "orders"."channel") AS "c", (CASE WHEN 2 >= 0 THEN SUBSTRING("orders"."channel" FROM 2 FOR 3) ELSE NULL END) AS "d", LENGTH("orders"."channel") AS "e", REPLACE("orders"."channel", 'e', '3') AS "f", ASCII("orders"."channel") AS "g", BTRIM("orders"."channel") AS "h", SPLIT_PART("orders"."channel", '_', 2) AS "i" FROM "public"."orders" "orders" GROUP BY "orders"."channel" ORDER BY "orders"."channel";

-- == calculations of dates
SELECT (DATE '2024-02-29' + 1 * INTERVAL '1 MONTH') AS "a", (CAST(DATE '2024-03-05' AS DATE) - CAST(DATE '2024-02-01' AS DATE)) AS "b", CAST((EXTRACT(YEAR FROM DATE '2026-01-01') * 12 + EXTRACT(MONTH FROM DATE '2026-01-01')) AS BIGINT) AS "c", DATE_PART('WEEK', DATE '2026-01-01') AS "d", TO_DATE('2024/02/29', 'YYYY/MM/DD') AS "e", MAKE_DATE(2024, 2, 29) AS "f", CAST('2024-02-29 03:04:05' AS TIMESTAMP) AS "g";

-- == quantiles
SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY CAST("orders"."amount" AS DOUBLE PRECISION)) AS "med", PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY CAST("orders"."amount" AS DOUBLE PRECISION)) AS "p95" FROM "public"."orders" "orders" HAVING (COUNT(1) > 0);

-- == deviation
SELECT STDDEV_SAMP("orders"."amount")::numeric(18,6) AS "std", VAR_SAMP("orders"."amount")::numeric(18,6) AS "var", CORR("orders"."amount", "orders"."discount")::numeric(18,6) AS "corr" FROM "public"."orders" "orders" HAVING (COUNT(1) > 0);

-- == a join of tables
SELECT "customers"."lifecycle_stage" AS "stage", SUM("orders"."amount") AS "s" FROM "public"."orders" "orders" INNER JOIN "public"."customer_360" "customers" ON ("orders"."customer_id" = "customers"."customer_id") GROUP BY 1 ORDER BY 1;

-- == a union of tables
SELECT "u"."kind" AS "kind", COUNT(1) AS "n" FROM (SELECT CAST('order' AS TEXT) AS "kind", "orders"."customer_id" AS "id" FROM "public"."orders" "orders" UNION ALL SELECT CAST('event' AS TEXT) AS "kind", "events"."customer_id" AS "id" FROM "public"."events" "events") "u" GROUP BY 1 ORDER BY 1;

-- == statement of a user
SELECT "Custom SQL Query"."c" AS "c", SUM("Custom SQL Query"."n") AS "sum:n:ok" FROM ( SELECT channel AS c, count(*) AS n FROM orders GROUP BY channel ) "Custom SQL Query" GROUP BY 1 ORDER BY 1;

-- == domain of a filter
SELECT "orders"."channel" AS "channel" FROM "public"."orders" "orders" GROUP BY 1 ORDER BY 1 ASC LIMIT 1001;

-- == nothing but a constant
SELECT 1 AS "one", 'a' AS "text", CAST(NULL AS TEXT) AS "none", TRUE AS "true" FROM "public"."segments" "segments" GROUP BY 1;
