-- client Npgsql and Power BI, in words of our own unversioned
-- protocol extended binary

-- What Npgsql and what stands on it asks for, in words of our own: the types of a database as it loads them at a connection,
-- by where they are received, its lists of schemas, and what Power BI folds into queries. Results come in binary.

-- part the types of a database
-- == base types
SELECT n.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.typcategory, t.typlen, t.typbyval FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE t.typtype = 'b' AND n.nspname = 'pg_catalog' AND t.typname IN ('bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'varchar', 'bpchar', 'bytea', 'date', 'time', 'timestamp', 'timestamptz', 'interval', 'uuid', 'json', 'jsonb', 'oid', 'name', 'char', 'regclass') ORDER BY t.oid;

-- == arrays by the function that receives them
SELECT t.oid, t.typname, t.typelem, e.typname AS element FROM pg_type AS t JOIN pg_proc AS r ON r.oid = t.typreceive JOIN pg_type AS e ON e.oid = t.typelem WHERE r.proname = 'array_recv' AND e.typname IN ('bool', 'int2', 'int4', 'int8', 'float8', 'numeric', 'text', 'bytea', 'date', 'timestamptz', 'uuid', 'jsonb', 'oid') ORDER BY t.oid;

-- == receivers by name
SELECT t.typname, t.typreceive, t.typinput, t.typsend FROM pg_type AS t WHERE t.typname IN ('int4', 'text', 'numeric', '_int4', 'timestamptz', 'jsonb') ORDER BY t.oid;

-- == containers with what is in them
SELECT x.typname, x.kind, x.inner_oid, i.typname AS inner_name, CASE WHEN q.proname = 'array_recv' THEN 'a' ELSE i.typtype END AS inner_kind FROM (SELECT t.oid, t.typname, t.typnamespace, CASE WHEN p.proname = 'array_recv' THEN 'a' ELSE t.typtype END AS kind, CASE WHEN p.proname = 'array_recv' THEN t.typelem WHEN t.typtype = 'r' THEN r.rngsubtype WHEN t.typtype = 'm' THEN (SELECT m.rngtypid FROM pg_range AS m WHERE m.rngmultitypid = t.oid) WHEN t.typtype = 'd' THEN t.typbasetype END AS inner_oid FROM pg_type AS t LEFT JOIN pg_class AS c ON c.oid = t.typrelid LEFT JOIN pg_proc AS p ON p.oid = t.typreceive LEFT JOIN pg_range AS r ON r.rngtypid = t.oid) AS x LEFT JOIN pg_type AS i ON i.oid = x.inner_oid LEFT JOIN pg_proc AS q ON q.oid = i.typreceive WHERE x.typname IN ('int4', '_int4', 'int4range', '_int4range', 'int4multirange', 'sql_identifier', '_text', 'tstzrange') ORDER BY CASE WHEN x.kind IN ('b', 'e', 'p') THEN 0 WHEN x.kind = 'r' THEN 1 WHEN x.kind = 'm' THEN 2 WHEN x.kind = 'd' THEN 3 ELSE 4 END, x.typname;

-- == pseudo-types that are read
SELECT t.oid, t.typname, t.typtype FROM pg_type AS t WHERE t.typtype = 'p' AND t.typname IN ('record', 'void', 'unknown') ORDER BY t.oid;

-- == ranges
SELECT r.rngtypid, r.rngsubtype, r.rngmultitypid, t.typname FROM pg_range AS r JOIN pg_type AS t ON t.oid = r.rngtypid ORDER BY r.rngtypid;

-- == fields of composite types
SELECT t.typname, a.attname, a.atttypid FROM pg_type AS t JOIN pg_class AS c ON c.oid = t.typrelid JOIN pg_attribute AS a ON a.attrelid = t.typrelid WHERE t.typtype = 'c' AND c.relkind = 'c' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY t.typname, a.attnum;

-- == fields of the type of a table
SELECT a.attname, a.atttypid, a.attnum FROM pg_type AS t JOIN pg_class AS c ON c.oid = t.typrelid JOIN pg_attribute AS a ON a.attrelid = t.typrelid WHERE t.typtype = 'c' AND t.typname = 'segments' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;

-- == labels of enums
SELECT t.oid, e.enumlabel FROM pg_enum AS e JOIN pg_type AS t ON t.oid = e.enumtypid ORDER BY t.oid, e.enumsortorder;

-- part values in binary
-- == numbers
SELECT 1::int2 AS a, -2::int4 AS b, 3::int8 AS c, 0.1::float4 AS d, 1e300::float8 AS e, 12.3400::numeric(18,4) AS f, 'NaN'::float8 AS g;

-- == numeric without digits
SELECT 12.34::numeric AS a, 0::numeric AS b, -0.0001::numeric AS c, 123456789012345678901234567890::numeric AS d;

-- == texts and bytes
SELECT 'x'::text AS a, ''::varchar AS b, 'ab'::varchar(9) AS c, 'a'::char(3) AS d, '\x00ff'::bytea AS e;

-- == times
SELECT '2024-02-29'::date AS a, '03:04:05.678901'::time AS b, '2024-02-29 03:04:05'::timestamp AS c, '2024-02-29 03:04:05+02'::timestamptz AS d, '1 mon 2 days 03:04:05'::interval AS e;

-- == infinite times
SELECT 'infinity'::timestamptz AS a, '-infinity'::timestamp AS b;

-- == infinite days
SELECT 'infinity'::date AS a;

-- == documents
SELECT '{"a": 1}'::json AS a, '{"a": 1}'::jsonb AS b;

-- == a uuid
SELECT '12345678-1234-5678-9abc-def012345678'::uuid AS a;

-- == arrays
SELECT ARRAY[1, 2, NULL]::int4[] AS a, ARRAY['x', NULL] AS b, ARRAY[true] AS c, ARRAY[1.5]::numeric(9,2)[] AS d, '{}'::text[] AS e;

-- == names and numbers of the catalog
SELECT 'x'::name AS a, 'pg_class'::regclass AS b, 'int4'::regtype AS c, 25::oid AS d, 'r'::"char" AS e;

-- == an array of arrays
SELECT ARRAY[[1, 2], [3, 4]] AS a;

-- == a record
SELECT ROW(1, 'a'::text, NULL::int4) AS a;

-- part parameters with their types
-- == a text beside a column
-- with text email
SELECT count(*) FROM orders WHERE channel = $1;

-- == a number beside a limit
-- with int8 2
SELECT order_id FROM orders ORDER BY order_id LIMIT $1;

-- == a number beside a column
-- with int4 2
SELECT count(*) FROM customer_360 WHERE orders > $1;

-- == a type that is not declared
-- with unknown 2024-01-01
SELECT count(*) FROM orders WHERE time >= $1;

-- == the same parameter twice
-- with text a
SELECT $1 AS a, $1 || 'b' AS b;

-- part lists of schemas
-- == schemas
SELECT catalog_name, schema_name FROM information_schema.schemata WHERE schema_name NOT LIKE 'pg\_%' ORDER BY schema_name;

-- == tables
-- with text public
SELECT table_catalog, table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema = $1 ORDER BY table_name;

-- == columns
-- with text public
-- with text orders
SELECT table_catalog, table_schema, table_name, column_name, ordinal_position, column_default, is_nullable, udt_name, data_type, character_maximum_length, character_octet_length, numeric_precision, numeric_precision_radix, numeric_scale, datetime_precision, character_set_catalog, collation_catalog FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position;

-- == views
SELECT table_schema, table_name, check_option, is_updatable FROM information_schema.views WHERE table_schema = 'public' ORDER BY table_name;

-- == constraints
-- without rows
SELECT c.constraint_schema, c.constraint_name, c.table_name, c.constraint_type, c.is_deferrable, c.initially_deferred FROM information_schema.table_constraints AS c WHERE c.table_schema = 'public' AND c.constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY') ORDER BY c.table_name, c.constraint_name;

-- == columns of constraints
-- without rows
SELECT k.constraint_name, k.table_name, k.column_name, k.ordinal_position, k.position_in_unique_constraint FROM information_schema.key_column_usage AS k WHERE k.table_schema = 'public' ORDER BY k.table_name, k.constraint_name, k.ordinal_position;

-- == indexes
SELECT current_database() AS table_catalog, n.nspname AS table_schema, t.relname AS table_name, i.relname AS index_name, x.indisunique, x.indisprimary FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_class AS t ON t.oid = x.indrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace WHERE n.nspname = 'public' ORDER BY t.relname, i.relname;

-- == users
-- without user_sysid
SELECT usename AS user_name, usesysid AS user_sysid FROM pg_catalog.pg_user WHERE usename = 'analyst';

-- == databases
SELECT d.datname AS database_name, a.rolname AS owner, pg_catalog.pg_encoding_to_char(d.encoding) AS encoding FROM pg_catalog.pg_database AS d LEFT JOIN pg_catalog.pg_roles AS a ON a.oid = d.datdba WHERE d.datname = 'perennial';

-- part Power BI
-- == character sets
SELECT character_set_name FROM information_schema.character_sets;

-- == tables and views to choose from
SELECT t.table_schema, t.table_name, t.table_type FROM information_schema.tables AS t WHERE t.table_schema NOT IN ('information_schema', 'pg_catalog') ORDER BY t.table_schema, t.table_name;

-- == columns that tools read by position
SELECT c.column_name, c.ordinal_position, c.is_nullable, CASE WHEN c.udt_schema IS NOT NULL AND c.data_type = 'USER-DEFINED' THEN c.udt_name ELSE c.data_type END AS data_type FROM information_schema.columns AS c WHERE c.table_schema = 'public' AND c.table_name = 'customer_360' ORDER BY c.ordinal_position;

-- == what refers to a table
-- without rows
SELECT s.column_name AS pk_column, f.table_schema, f.table_name, f.column_name, f.ordinal_position, r.constraint_schema || '_' || f.table_name || '_' || s.table_name || '_' || r.constraint_name AS fk_name FROM information_schema.referential_constraints AS r, information_schema.key_column_usage AS f, information_schema.key_column_usage AS s WHERE r.constraint_name = f.constraint_name AND r.constraint_schema = f.constraint_schema AND r.unique_constraint_name = s.constraint_name AND r.unique_constraint_schema = s.constraint_schema AND f.position_in_unique_constraint = s.ordinal_position AND s.table_schema = 'public' AND s.table_name = 'customers' ORDER BY 3, 6;

-- == unique keys of a table
-- without rows
SELECT c.constraint_schema || '_' || c.constraint_name AS index_name, k.column_name, k.ordinal_position, CASE WHEN c.constraint_type = 'PRIMARY KEY' THEN 'Y' ELSE 'N' END AS primary_key FROM information_schema.table_constraints AS c INNER JOIN information_schema.key_column_usage AS k ON k.constraint_schema = c.constraint_schema AND k.constraint_name = c.constraint_name AND k.table_schema = c.table_schema AND k.table_name = c.table_name WHERE c.table_schema = 'public' AND c.table_name = 'orders' AND c.constraint_type IN ('PRIMARY KEY', 'UNIQUE') ORDER BY 1, 3;

-- == first rows
SELECT "$Table"."segment" AS "segment", "$Table"."members" AS "members" FROM "public"."segments" AS "$Table" ORDER BY "$Table"."segment" LIMIT 1000;

-- == a card
SELECT sum("rows"."amount") AS "a0" FROM (SELECT "_"."amount" FROM "public"."orders" AS "_" WHERE "_"."paid" = true) AS "rows" LIMIT 1;

-- == groups without null
SELECT "_"."channel", "_"."a0" FROM (SELECT "rows"."channel" AS "channel", sum("rows"."amount") AS "a0" FROM (SELECT "channel", "amount" FROM "public"."orders") AS "rows" GROUP BY "channel") AS "_" WHERE NOT "_"."a0" IS NULL ORDER BY "_"."channel" LIMIT 1000001;

-- == a join of two tables
SELECT "$Outer"."status", count("$Inner"."order_id") AS "a0" FROM "public"."orders" AS "$Outer" LEFT OUTER JOIN "public"."order_items" AS "$Inner" ON ("$Outer"."order_id" = "$Inner"."order_id") GROUP BY "$Outer"."status" ORDER BY "$Outer"."status";

-- == a date of a time
SELECT CAST("_"."time" AS date) AS "day", date_part('month', "_"."time") AS "month", count(1) AS "a0" FROM "public"."orders" AS "_" WHERE "_"."time" >= timestamp '2026-06-01 00:00:00' AND "_"."time" < timestamp '2026-06-08 00:00:00' GROUP BY 1, 2 ORDER BY 1;

-- == text that contains
SELECT count(*) AS "a0" FROM "public"."orders" AS "_" WHERE strpos(lower("_"."channel"), 'mail') > 0 OR "_"."channel" LIKE 'dir%' ESCAPE '\';

-- == back to the pool
DISCARD ALL;
