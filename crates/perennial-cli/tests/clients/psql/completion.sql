-- What psql 15.18 asks when a user types what stands above a statement, and then the tab key: recorded by a PostgreSQL that logs
-- its statements. Names come in any order, so that they are sorted.
\pset format unaligned
\pset tuples_only
\echo == part completion of names
\echo '== SELECT * FROM ord'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'ord%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'ord%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== SELECT * FROM raw.'
SELECT c.relname, n.nspname FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE '%' AND n.nspname = 'raw' LIMIT 1000 \g |LC_ALL=C sort
\echo '== SELECT * FROM orders WHERE'
SELECT a.attname, NULL::pg_catalog.text FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c WHERE c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped AND (a.attname) LIKE '%' AND c.relname = 'orders' AND pg_catalog.pg_table_is_visible(c.oid) LIMIT 1000 \g |LC_ALL=C sort
\echo '== SELECT 1 FROM customer_360 ORDER BY last_'
SELECT a.attname, NULL::pg_catalog.text FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c WHERE c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped AND (a.attname) LIKE 'last\_%' AND c.relname = 'customer_360' AND pg_catalog.pg_table_is_visible(c.oid) LIMIT 1000 \g |LC_ALL=C sort
\echo '== UPDATE raw.shop_orders SET'
SELECT a.attname, NULL::pg_catalog.text FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c, pg_catalog.pg_namespace nr WHERE c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped AND (a.attname) LIKE '%' AND c.relname = 'shop_orders' AND c.relnamespace = nr.oid AND nr.nspname = 'raw' LIMIT 1000 \g |LC_ALL=C sort
\echo '== SET timez'
SELECT pg_catalog.lower(name) FROM pg_catalog.pg_settings WHERE context IN ('user', 'superuser') AND pg_catalog.lower(name) LIKE pg_catalog.lower('timez%') LIMIT 1000 \g |LC_ALL=C sort
\echo '== SHOW timez'
SELECT pg_catalog.lower(name) FROM pg_catalog.pg_settings WHERE pg_catalog.lower(name) LIKE pg_catalog.lower('timez%') LIMIT 1000 \g |LC_ALL=C sort
\echo '== SET timezone TO Europe/Ber'
SELECT pg_catalog.quote_literal(name) AS name FROM pg_catalog.pg_timezone_names() WHERE pg_catalog.lower(name) LIKE pg_catalog.lower('Europe/Ber%') LIMIT 1000 \g |LC_ALL=C sort
\echo '== SET search_path TO'
SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname LIKE '%' AND nspname NOT LIKE E'pg\\_toast%' AND nspname NOT LIKE E'pg\\_temp%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== SET ROLE ana'
SELECT rolname FROM pg_catalog.pg_roles WHERE rolname LIKE 'ana%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\d segm'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE (c.relname) LIKE 'segm%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'segm%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\d raw.'
SELECT c.relname, n.nspname FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n WHERE c.relnamespace = n.oid AND (c.relname) LIKE '%' AND n.nspname = 'raw' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dt ord'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p') AND (c.relname) LIKE 'ord%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'ord%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dv coh'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('v') AND (c.relname) LIKE 'coh%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'coh%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\di ord'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('i', 'I') AND (c.relname) LIKE 'ord%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'ord%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\ds'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('S') AND (c.relname) LIKE '%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE '%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dm'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('m') AND (c.relname) LIKE '%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE '%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dE'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('f') AND (c.relname) LIKE '%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE '%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\df date_tr'
SELECT p.proname, NULL::pg_catalog.text FROM pg_catalog.pg_proc p WHERE p.prokind != 'p' AND (p.proname) LIKE 'date\_tr%' AND pg_catalog.pg_function_is_visible(p.oid) UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'date\_tr%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\df pg_catalog.initc'
SELECT p.proname, n.nspname FROM pg_catalog.pg_proc p, pg_catalog.pg_namespace n WHERE p.pronamespace = n.oid AND p.prokind != 'p' AND (p.proname) LIKE 'initc%' AND n.nspname = 'pg_catalog' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\da array_a'
SELECT p.proname, NULL::pg_catalog.text FROM pg_catalog.pg_proc p WHERE p.prokind = 'a' AND (p.proname) LIKE 'array\_a%' AND pg_catalog.pg_function_is_visible(p.oid) UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'array\_a%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dn p'
SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname LIKE 'p%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\l per'
SELECT datname FROM pg_catalog.pg_database WHERE datname LIKE 'per%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dT timest'
SELECT t.typname, NULL::pg_catalog.text FROM pg_catalog.pg_type t WHERE (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid)) AND t.typname !~ '^_' AND (t.typname) LIKE 'timest%' AND pg_catalog.pg_type_is_visible(t.oid) UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'timest%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dD d'
SELECT t.typname, NULL::pg_catalog.text FROM pg_catalog.pg_type t WHERE t.typtype = 'd' AND (t.typname) LIKE 'd%' AND pg_catalog.pg_type_is_visible(t.oid) UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'd%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dx plp'
SELECT extname FROM pg_catalog.pg_extension WHERE extname LIKE 'plp%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\do'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE (c.relname) LIKE '%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE '%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dconfig timez'
SELECT pg_catalog.lower(name) FROM pg_catalog.pg_settings WHERE pg_catalog.lower(name) LIKE pg_catalog.lower('timezone%') LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dL sq'
SELECT lanname FROM pg_catalog.pg_language WHERE lanname != 'internal' AND lanname LIKE 'sq%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\db'
SELECT spcname FROM pg_catalog.pg_tablespace WHERE spcname LIKE '%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dF sim'
SELECT c.cfgname, NULL::pg_catalog.text FROM pg_catalog.pg_ts_config c WHERE (c.cfgname) LIKE 'sim%' AND pg_catalog.pg_ts_config_is_visible(c.oid) UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'sim%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dA h'
SELECT amname FROM pg_catalog.pg_am WHERE amname LIKE 'h%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dy'
SELECT evtname FROM pg_catalog.pg_event_trigger WHERE evtname LIKE '%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dew'
SELECT fdwname FROM pg_catalog.pg_foreign_data_wrapper WHERE fdwname LIKE '%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\des'
SELECT srvname FROM pg_catalog.pg_foreign_server WHERE srvname LIKE '%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dRp x'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE (c.relname) LIKE 'x%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'x%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\dP'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('p', 'I') AND (c.relname) LIKE '%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE '%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\ef initc'
SELECT p.proname, NULL::pg_catalog.text FROM pg_catalog.pg_proc p WHERE (p.proname) LIKE 'initc%' AND pg_catalog.pg_function_is_visible(p.oid) UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'initc%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== \\encoding UT'
SELECT DISTINCT pg_catalog.pg_encoding_to_char(conforencoding) FROM pg_catalog.pg_conversion WHERE pg_catalog.pg_encoding_to_char(conforencoding) LIKE pg_catalog.upper('UT%') LIMIT 1000 \g |LC_ALL=C sort
\echo '== ANALYZE ord'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'm', 'f') AND (c.relname) LIKE 'ord%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'ord%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== LOCK TABLE ord'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p') AND (c.relname) LIKE 'order%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'order%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== CLOSE'
SELECT name FROM pg_catalog.pg_cursors WHERE name LIKE '%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== EXECUTE'
SELECT name FROM pg_catalog.pg_prepared_statements WHERE name LIKE '%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== COMMENT ON CONSTRAINT orders'
SELECT conname FROM pg_catalog.pg_constraint c WHERE c.conrelid <> 0 and conname LIKE 'orders%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== GRANT SELECT ON ALL TABLES IN SCHEMA r'
SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname LIKE 'r%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== GRANT EXECUTE ON FUNCTION initc'
SELECT p.proname, NULL::pg_catalog.text FROM pg_catalog.pg_proc p WHERE p.prokind != 'p' AND (p.proname) LIKE 'initc%' AND pg_catalog.pg_function_is_visible(p.oid) UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'initc%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== CREATE INDEX i ON ord'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'm') AND (c.relname) LIKE 'ord%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'ord%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== ALTER TABLE orders DROP CONSTRAINT'
SELECT con.conname, NULL::pg_catalog.text FROM pg_catalog.pg_constraint con, pg_catalog.pg_class c1 WHERE con.conrelid=c1.oid AND (con.conname) LIKE '%' AND c1.relname = 'orders' AND pg_catalog.pg_table_is_visible(c1.oid) LIMIT 1000 \g |LC_ALL=C sort
\echo '== TRUNCATE ord'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'f', 'p') AND (c.relname) LIKE 'ord%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'ord%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== CALL x'
SELECT p.proname, NULL::pg_catalog.text FROM pg_catalog.pg_proc p WHERE p.prokind = 'p' AND (p.proname) LIKE 'x%' AND pg_catalog.pg_function_is_visible(p.oid) UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'x%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== select * from pg_cl'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'pg\_cl%' AND pg_catalog.pg_table_is_visible(c.oid) UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'pg\_cl%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== SELECT * FROM ord in quotes'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'order%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'order%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== COPY seg'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p') AND (c.relname) LIKE 'seg%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'seg%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== DROP FUNCTION initcap('
SELECT pg_catalog.oidvectortypes(p.proargtypes)||')', NULL::pg_catalog.text FROM pg_catalog.pg_proc p WHERE (pg_catalog.oidvectortypes(p.proargtypes)||')') LIKE '%' AND p.proname = 'initcap' AND pg_catalog.pg_function_is_visible(p.oid) LIMIT 1000 \g |LC_ALL=C sort
\echo '== DROP TRIGGER x ON'
SELECT DISTINCT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c, pg_catalog.pg_trigger t WHERE c.oid=t.tgrelid AND (c.relname) LIKE '%' AND pg_catalog.pg_table_is_visible(c.oid) AND t.tgname = 'x' UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE '%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== ALTER TYPE t'
SELECT t.typname, NULL::pg_catalog.text FROM pg_catalog.pg_type t WHERE (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid)) AND t.typname !~ '^_' AND (t.typname) LIKE 't%' AND pg_catalog.pg_type_is_visible(t.oid) UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 't%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== SET default_t'
SELECT pg_catalog.lower(name) FROM pg_catalog.pg_settings WHERE context IN ('user', 'superuser') AND pg_catalog.lower(name) LIKE pg_catalog.lower('default\_t%') LIMIT 1000 \g |LC_ALL=C sort
\echo '== SELECT * FROM information_schema.ta'
SELECT c.relname, n.nspname FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'ta%' AND n.nspname = 'information_schema' LIMIT 1000 \g |LC_ALL=C sort
\echo '== TABLE seg'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'seg%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'seg%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
\echo '== WITH x AS (SELECT 1) SELECT * FROM seg'
SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'segment%' AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog') UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'segment%' AND n.nspname NOT LIKE E'pg\\_%' LIMIT 1000 \g |LC_ALL=C sort
