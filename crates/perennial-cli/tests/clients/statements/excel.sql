-- client Excel by OLE DB, in words of our own unversioned
-- protocol simple

-- What Excel asks for by an OLE DB provider of PostgreSQL, in words of our own: lists of tables, columns with the functions that
-- information_schema is made of, which take whole rows, types, keys and indexes. Names are compared with patterns.

-- part tables and their columns
-- == tables with their keys
SELECT current_database() AS database, n.nspname AS schema, c.relname AS name, CASE WHEN n.nspname LIKE E'pg\\_catalog' THEN 'Catalog' WHEN n.nspname LIKE E'information\\_schema' THEN 'Information' ELSE 'User' END AS kind, pg_get_userbyid(c.relowner) AS definer, d.description AS comment, c.relnatts AS columns, k.conname AS key, k.conkey AS places FROM pg_class c INNER JOIN pg_namespace n ON c.relnamespace = n.oid LEFT OUTER JOIN pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass LEFT OUTER JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p' WHERE (c.relkind = 'r' OR c.relkind = 'f') AND NOT n.nspname LIKE E'pg\\_%' AND n.nspname::varchar LIKE E'public' AND c.relname::varchar LIKE '%order%' AND pg_get_userbyid(c.relowner)::varchar LIKE '%' ORDER BY c.relname;

-- == precision of columns
SELECT c.relname AS name, a.attname AS column, (information_schema._pg_numeric_precision(information_schema._pg_truetypid(a.*, t.*), information_schema._pg_truetypmod(a.*, t.*)))::information_schema.cardinal_number AS precision, (information_schema._pg_numeric_scale(information_schema._pg_truetypid(a.*, t.*), information_schema._pg_truetypmod(a.*, t.*)))::information_schema.cardinal_number AS scale, (information_schema._pg_datetime_precision(information_schema._pg_truetypid(a.*, t.*), information_schema._pg_truetypmod(a.*, t.*)))::information_schema.cardinal_number AS digits FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid WHERE c.oid = 'public.orders'::regclass AND a.attnum > 0 ORDER BY a.attnum;

-- == length of columns
SELECT a.attname AS name, a.attnum AS place, CASE WHEN a.attnotnull = 'f' THEN 'true' ELSE 'false' END AS nullable, CASE WHEN t.typname LIKE 'bit' AND a.atttypmod > 0 THEN a.atttypmod WHEN t.typname LIKE 'interval' THEN -1 WHEN a.atttypmod > 0 THEN a.atttypmod - 4 ELSE a.atttypmod END AS length, information_schema._pg_char_max_length(information_schema._pg_truetypid(a.*, t.*), information_schema._pg_truetypmod(a.*, t.*)) AS characters, a.atthasdef AS has_default, CASE WHEN a.attndims > 0 THEN true ELSE false END AS is_array FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = 'public.orders'::regclass AND a.attnum > 0 AND a.attisdropped IS FALSE ORDER BY 2;

-- == columns of a place
SELECT DISTINCT attname AS name, attnum FROM pg_attribute JOIN pg_class ON oid = attrelid INNER JOIN pg_namespace ON pg_class.relnamespace = pg_namespace.oid WHERE attnum > 0 AND attisdropped IS FALSE AND pg_namespace.nspname LIKE 'public' AND relname LIKE 'orders' AND attnum IN (2, 4) ORDER BY attnum;

-- == comments of columns
SELECT a.attname AS name, col_description(a.attrelid, a.attnum) AS comment, pg_get_expr(d.adbin, d.adrelid) AS default_value FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = 'public.segments'::regclass AND a.attnum > 0 ORDER BY a.attnum;

-- part types
-- == a type
SELECT t.typname AS name, n.nspname AS schema, pg_get_userbyid(t.typowner) AS definer, t.typlen AS length, t.typbyval AS by_value, CASE WHEN t.typtype = 'b' THEN 'base' WHEN t.typtype = 'd' THEN 'domain' WHEN t.typtype = 'c' THEN 'composite' END AS kind, CASE WHEN t.typalign = 'c' THEN 'char' WHEN t.typalign = 's' THEN 'short' WHEN t.typalign = 'i' THEN 'int' ELSE 'double' END AS alignment, CASE WHEN t.typstorage = 'p' THEN 'plain' WHEN t.typstorage = 'm' THEN 'compressed inline' ELSE 'secondary or compressed inline' END AS storage FROM pg_type t, pg_namespace n WHERE t.typnamespace = n.oid AND t.oid::varchar LIKE E'1700' AND t.typname LIKE E'%' AND t.typtype::varchar LIKE E'b' ORDER BY name;

-- == elements of arrays
SELECT t.typname AS name, t.oid AS oid, t.typtype AS kind, t.typelem AS element FROM pg_type t WHERE t.oid::varchar LIKE '1007' AND t.typtype::varchar LIKE 'b' AND t.typelem != 0;

-- == names of types with their modifiers
SELECT format_type(a.atttypid, a.atttypmod) AS type, count(*) AS n FROM pg_attribute a WHERE a.attrelid = 'public.customer_360'::regclass AND a.attnum > 0 GROUP BY 1 ORDER BY 1;

-- part keys and indexes
-- == foreign keys with the keys that they refer to
SELECT a.conname AS name, n.nspname AS schema, t.relname AS table_name, b.conname AS referenced_key, rn.nspname AS referenced_schema, r.relname AS referenced_table, a.conkey AS places, a.confkey AS foreign_places, a.confupdtype AS on_update, a.confdeltype AS on_delete, a.confmatchtype AS match FROM pg_constraint a INNER JOIN pg_constraint b ON (a.confrelid = b.conrelid AND a.confkey = b.conkey) INNER JOIN pg_namespace n ON a.connamespace = n.oid INNER JOIN pg_class t ON a.conrelid = t.oid LEFT OUTER JOIN pg_class r ON a.confrelid = r.oid INNER JOIN pg_namespace rn ON r.relnamespace = rn.oid WHERE a.contype = 'f' AND (b.contype = 'p' OR b.contype = 'u') AND a.oid::varchar LIKE '%' AND a.conname LIKE '%' AND n.nspname LIKE E'public' AND t.relname LIKE E'segment\\_members' AND r.relname LIKE '%' ORDER BY 1;

-- == columns of foreign keys
SELECT n.nspname AS schema, t.relname AS table_name, r.relname AS referenced, k.conname AS name, k.conkey AS places, k.confkey AS referenced_places FROM pg_constraint k INNER JOIN pg_namespace n ON k.connamespace = n.oid INNER JOIN pg_class t ON k.conrelid = t.oid INNER JOIN pg_class r ON k.confrelid = r.oid WHERE k.contype = 'f' AND k.conname LIKE E'orders\\_customer\\_id\\_fkey' AND n.nspname LIKE E'public' ORDER BY 1;

-- == is there an index over some columns
SELECT i.relname AS index_name, x.indisunique, x.indisprimary FROM pg_index x INNER JOIN pg_class i ON i.oid = x.indexrelid INNER JOIN pg_class t ON t.oid = x.indrelid INNER JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname LIKE E'public' AND t.relname LIKE E'orders' AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'order_id' AND a.attnum = ANY(x.indkey)) ORDER BY 1;

-- == one by one
SELECT i.relname AS index_name, k.n AS place, k.x AS attribute FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid, LATERAL (SELECT (information_schema._pg_expandarray(x.indkey)).*) AS k WHERE x.indrelid = 'public.orders'::regclass ORDER BY 1, 2;

-- part rows
-- == a table
SELECT * FROM "public"."segments" ORDER BY 1;

-- == a pivot table
SELECT "channel", "status", SUM("amount") AS "Sum", COUNT("order_id") AS "Count" FROM "public"."orders" WHERE "time" >= '2026-01-01' GROUP BY "channel", "status" ORDER BY "channel", "status" LIMIT 5;

-- == with totals
SELECT "channel", "paid", SUM("amount") AS "Sum", GROUPING("channel", "paid") AS "Level" FROM "public"."orders" GROUP BY ROLLUP ("channel", "paid") ORDER BY "channel" NULLS LAST, "paid" NULLS LAST LIMIT 6;
