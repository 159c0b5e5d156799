-- What users of psql type: commands that describe, portions, copies, variables, cross tables, errors.
\echo == part commands that describe
\echo == all relations
\d
\echo == tables of a pattern
\dt public.o*
\echo == tables of a schema
\dt raw.*
\echo == views
\dv
\echo == views of all schemas
\dv *.*_monthly
\echo == indexes
\di public.*
\echo == no sequences
\ds
\echo == no materialized views
\dm
\echo == no foreign tables
\det
\echo == tables, views and indexes
\dtvi public.segment*
\echo == a table
\d orders
\echo == a table by its schema
\d raw.shop_orders
\echo == a table with comments
\d+ segment_members
\echo == the table that others refer to
\d customers
\echo == an index
\d orders_pkey
\echo == an index, more
\d+ orders_pkey
\echo == a pattern of tables
\d segment*
\echo == a table that is not there
\d nothing
\echo == a schema that is not there
\dt nowhere.*
\echo == columns of a wide table
\d customer_360
\echo == schemas
\dn
\echo == no domains
\dD
\echo == no large objects
\dl
\echo == no event triggers
\dy
\echo == no extended statistics
\dX
\echo == no foreign servers
\des
\echo == no user mappings
\deu
\echo == no foreign wrappers
\dew
\echo == no publications
\dRp
\echo == no subscriptions
\dRs
\echo == no default privileges
\ddp
\echo == no partitioned relations
\dP
\echo == no text search of users
\dF public.*
\echo == no types of users
\dT
\echo == comments of objects
\dd public.*
\echo == no settings of roles
\drds
\echo == a setting
\dconfig TimeZone
\echo == access methods of tables
\dA heap
\echo == a cast
\dC uuid
\echo == no conversions of users
\dc public.*
\echo == no operators of users
\do public.*
\echo == a collation
\dO pg_catalog.C
\echo == a language
\dL sql
\echo == no tablespace of users
\db public*
\echo == databases by name
\l perennial_nothing
\echo == the role
\du analyst
\echo == privileges of a table
\dp orders
\echo == privileges, the other name
\z orders
\echo == the definition of a view that is not there
\sv nothing
\echo == part commands with + and S
\pset format unaligned
\o |sed -E 's/[0-9]+ (bytes|kB|MB)/some size/'
\echo == tables, more
\dt+ public.order*
\o |sed -E 's/[0-9]+ (bytes|kB|MB)/some size/'
\echo == views, more
\dv+ public.*
\o |sed -E 's/[0-9]+ (bytes|kB|MB)/some size/'
\echo == indexes, more
\di+ public.segment*
\o
\echo == a view, more
\d+ cohort_retention_monthly
\echo == a table of the system
\dS pg_catalog.pg_namespace
\echo == a view of the system
\d pg_catalog.pg_tables
\echo == tables of the system
\dtS pg_catalog.pg_cl*
\echo == views of the system
\dvS pg_catalog.pg_ta*
\echo == views of the information schema
\dvS information_schema.tab*
\echo == a function
\df date_part
\echo == a function, more
\df+ initcap
\echo == an aggregate
\da bool_and
\echo == a function of two arguments
\dfn left text int
\echo == a window function
\dfw row_number
\echo == the source of a function
\sf initcap
\echo == a type
\dTS int8
\echo == a type, more
\dTS+ bool
\echo == casts, more
\dC+ date
\echo == an operator
\doS ->>
\echo == operators of two types
\doS || text text
\echo == a collation, more
\dOS+ pg_catalog.C
\echo == access methods, more
\dA+ btree
\echo == operator classes
\dAc btree uuid
\echo == operator families
\dAf btree integer
\echo == operators of a family
\dAo btree float_ops
\echo == functions of a family
\dAp btree float_ops
\echo == roles, more
\du+ analyst
\echo == members of roles
\dg analyst
\echo == tablespaces
\db
\echo == no extension
\dx nothing
\echo == no extension, more
\dx+ nothing
\echo == settings, more
\dconfig+ IntervalStyle
\echo == comments of a table
\dd public.orders
\pset format aligned
\echo == connection
\encoding
\echo == part queries and their formats
\echo == format aligned
\pset format aligned
SELECT stage, count(*) AS customers, min(entered_at)::date AS first FROM lifecycle_history GROUP BY 1 ORDER BY 1;
\pset format aligned
\echo == format unaligned
\pset format unaligned
SELECT stage, count(*) AS customers, min(entered_at)::date AS first FROM lifecycle_history GROUP BY 1 ORDER BY 1;
\pset format aligned
\echo == format csv
\pset format csv
SELECT stage, count(*) AS customers, min(entered_at)::date AS first FROM lifecycle_history GROUP BY 1 ORDER BY 1;
\pset format aligned
\echo == format html
\pset format html
SELECT stage, count(*) AS customers, min(entered_at)::date AS first FROM lifecycle_history GROUP BY 1 ORDER BY 1;
\pset format aligned
\echo == format latex
\pset format latex
SELECT stage, count(*) AS customers, min(entered_at)::date AS first FROM lifecycle_history GROUP BY 1 ORDER BY 1;
\pset format aligned
\echo == format asciidoc
\pset format asciidoc
SELECT stage, count(*) AS customers, min(entered_at)::date AS first FROM lifecycle_history GROUP BY 1 ORDER BY 1;
\pset format aligned
\echo == format wrapped
\pset format wrapped
SELECT stage, count(*) AS customers, min(entered_at)::date AS first FROM lifecycle_history GROUP BY 1 ORDER BY 1;
\pset format aligned
\echo == format troff-ms
\pset format troff-ms
SELECT stage, count(*) AS customers, min(entered_at)::date AS first FROM lifecycle_history GROUP BY 1 ORDER BY 1;
\pset format aligned
\echo == expanded
\x on
SELECT * FROM segments ORDER BY segment;
\x off
\echo == expanded for one query
SELECT 1 AS a, NULL AS b \gx
\echo == how null is shown
\pset null '(null)'
SELECT NULL AS a, '' AS b;
\pset null ''
\echo == only tuples
\t on
SELECT 1;
\t off
\echo == numbers in their locale form
\pset numericlocale on
SELECT 1234567.891 AS n, 12 AS i;
\pset numericlocale off
\echo == values of every kind
SELECT 1::smallint AS a, 2::int AS b, 3::bigint AS c, 1.50::numeric AS d, 0.1::float8 AS e, 0.25::real AS f, true AS g, 'x'::text AS h, date '2026-01-02' AS i, timestamp '2026-01-02 03:04:05.6' AS j, timestamptz '2026-01-02 03:04:05+02' AS k, interval '1 day 2 hours' AS l, time '03:04' AS m, '\x00ff'::bytea AS n, ARRAY[1,2] AS o, '{"a": 1}'::jsonb AS p;
\echo == what a query would give
SELECT stage, count(*), sum(net_revenue), max(last_order_at), sources FROM lifecycle_history JOIN customer_360 USING (customer_id) GROUP BY stage, sources \gdesc
\echo == no rows
SELECT 1 AS a WHERE false;
\echo == what values of every kind would be
SELECT 1::int2 AS a, 1::int4 AS b, 1::int8 AS c, 1.5::numeric(18,4) AS d, 1.5::float4 AS e, 1.5::float8 AS f, true AS g, 'x'::text AS h, now() AS l, current_date AS n, '1:00'::time AS o, interval '1 day' AS p, '\x00'::bytea AS q, ARRAY[1] AS r, ARRAY['a'] AS s, 1::oid AS t \gdesc
\echo == what values with a length would be
SELECT 'x'::varchar(9) AS a, 'x'::char(3) AS b, now()::timestamp(3) AS c, '1:00'::time(0) AS d, 'x'::varchar AS e, 1.5::numeric AS f \gdesc
\echo == what names, documents and the like would be
SELECT 'x'::name AS a, '{}'::json AS b, '{}'::jsonb AS c, '{}'::jsonb->'a' AS d, '{}'::jsonb->>'a' AS e, 'pg_class'::regclass AS f, 'x'::"char" AS g \gdesc
\echo == what names that nobody gave would be
SELECT 1, 'a', NULL, now(), count(*), amount::text, CASE WHEN true THEN 1 END, extract(year FROM now()) FROM orders GROUP BY amount \gdesc
\echo == what a table would give
SELECT * FROM orders \gdesc
\echo == what a view would give
TABLE cohort_retention_monthly \gdesc
\echo == what SHOW would give
SHOW timezone \gdesc
\echo == what EXPLAIN would give
EXPLAIN SELECT 1 \gdesc
\echo == what no columns would be
SELECT FROM orders \gdesc
\echo == what a setting would give
SET timezone = 'UTC' \gdesc
\echo == what a mistake would give
SELECT nothing FROM orders \gdesc
\echo == options of one query
SELECT 1 AS a, NULL AS b, 'x' AS c \g (format=csv null=none)
\echo == into variables with a prefix
SELECT 1 AS a, 'two' AS b, NULL AS c \gset p_
\echo :p_a :p_b :{?p_c}
\echo == no row for variables
SELECT 1 AS a WHERE false \gset
\echo == too many rows for variables
SELECT x FROM generate_series(1, 2) AS t(x) \gset
\echo == a cross table
SELECT date_part('year', time)::int AS year, status, count(*) FROM orders GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview
\echo == a cross table of chosen columns
SELECT status, date_part('year', time)::int AS year, count(*) AS n FROM orders GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview year status n status
\echo == a cross table by places
SELECT channel, status, sum(amount)::numeric(18,2) AS total FROM orders GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview 1 2 3
\echo == a cross table in the order of a column
SELECT status, to_char(time, 'Mon') AS month, extract(month FROM time)::int AS place, count(*) AS n FROM orders GROUP BY 1, 2, 3 ORDER BY 1, 3 \crosstabview status month n place
\echo == a cross table with nothing in some places
SELECT * FROM (VALUES ('a', 'x', 1), ('b', 'y', NULL), (NULL, 'x', 3)) AS t (v, h, n) ORDER BY 1, 2 \crosstabview
\echo == a cross table of two for one place
SELECT * FROM (VALUES ('a', 'x', 1), ('a', 'x', 2)) AS t (v, h, n) \crosstabview
\echo == a cross table of two columns
SELECT 1 AS a, 2 AS b \crosstabview
\echo == a cross table of no such column
SELECT 1 AS a, 2 AS b, 3 AS c \crosstabview nothing
\echo == a cross table of no rows
SELECT 1 AS a, 2 AS b, 3 AS c WHERE false \crosstabview
\echo == statements that a query writes
SELECT format('SELECT count(*) AS %s FROM %I;', relname, relname) FROM pg_class WHERE relname IN ('orders', 'customers') ORDER BY 1 \gexec
\echo == values into variables
SELECT count(*) AS people, max(customer_id) AS last FROM customers \gset
\echo :people :last
SELECT :people = count(*) AS same FROM customers WHERE customer_id <= :'last';
\echo == variables in quotes
\set name orders
\set text 'it''s'
SELECT :'text' AS t, count(*) FROM :"name";
\echo == conditions
SELECT count(*) > 0 AS any FROM orders \gset
\if :any
\echo some
\else
\echo none
\endif
\echo == several statements on a line
SELECT 1 AS a; SELECT 2 AS b;
\echo == several results of one message
SELECT 1 AS a\; SELECT 2 AS b;
\echo == the last result only
\set SHOW_ALL_RESULTS off
SELECT 1 AS a\; SELECT 2 AS b;
\set SHOW_ALL_RESULTS on
\echo == how many rows
\set QUIET off
SELECT count(*) FROM orders;
\echo :ROW_COUNT
SELECT x FROM generate_series(1, 3) AS t(x);
\echo :ROW_COUNT :SQLSTATE :ERROR
\set QUIET on
\echo == to a program
SELECT 1 AS a \g | cat
\echo == to a file and back
\o out.txt
SELECT 7 AS seven;
\o
\! cat out.txt
\echo == part portions of rows
\echo == a query in portions
\set FETCH_COUNT 7
SELECT x FROM generate_series(1, 20) AS t(x);
\echo == of a join, in portions
SELECT order_id, stage FROM orders JOIN lifecycle_history USING (customer_id) WHERE entered_at <= time AND (left_at > time OR left_at IS NULL) ORDER BY order_id, entered_at LIMIT 25;
\echo == as many rows as a portion has
SELECT x FROM generate_series(1, 14) AS t(x);
\echo == no rows, in portions
SELECT x FROM generate_series(1, 14) AS t(x) WHERE x < 0;
\echo == WITH, in portions
WITH a AS (SELECT x FROM generate_series(1, 9) AS t(x)) SELECT x, x * x AS square FROM a ORDER BY x DESC;
\echo == VALUES, in portions
VALUES (1, 'a'), (2, 'b');
\echo == expanded, in portions
\x on
SELECT x, -x AS y FROM generate_series(1, 8) AS t(x);
\x off
\echo == unaligned, in portions
\pset format unaligned
SELECT x FROM generate_series(1, 16) AS t(x);
\pset format aligned
\echo == to a program, in portions
SELECT x FROM generate_series(1, 16) AS t(x) \g |wc -l
\echo == inside of a transaction, in portions
BEGIN;
SELECT x FROM generate_series(1, 8) AS t(x);
SELECT count(*) > 0 AS some FROM orders;
COMMIT;
\echo == an error behind the first portions
SELECT 10 / (12 - x) AS a FROM generate_series(1, 20) AS t(x);
\echo == an error before the first portion
SELECT nothing FROM orders;
\echo == two queries of one message, in portions
SELECT 1 AS a\; SELECT x FROM generate_series(1, 8) AS t(x);
\echo == how many rows, in portions
SELECT x FROM generate_series(1, 20) AS t(x) \g /dev/null
\echo :ROW_COUNT
\echo == no portions of what is no query
SHOW timezone;
SET timezone = 'UTC';
\set FETCH_COUNT 0
\echo == a cursor
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT x FROM generate_series(1, 9) AS t(x);
FETCH 2 FROM c;
MOVE 2 IN c;
FETCH FORWARD 2 FROM c;
FETCH PRIOR FROM c;
FETCH LAST FROM c;
FETCH ABSOLUTE 3 FROM c;
CLOSE c;
COMMIT;
\echo == a cursor that is held
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT x AS a FROM generate_series(1, 2) AS t(x) ORDER BY 1;
COMMIT;
FETCH ALL FROM h;
SELECT name, is_holdable, is_scrollable FROM pg_cursors;
CLOSE ALL;
\echo == part copies
\echo == copy as text
COPY (SELECT 1 AS a, NULL AS b, E'tab\there' AS c, E'line\nbreak' AS d, 'back\slash' AS e) TO STDOUT;
\echo == copy as csv
COPY (SELECT 1 AS a, NULL AS b, 'x,"y"' AS c, '' AS d) TO STDOUT WITH (FORMAT csv, HEADER);
\echo == copy with options
COPY (SELECT 1 AS a, NULL AS b, 'x;y' AS c) TO STDOUT WITH (FORMAT csv, DELIMITER ';', NULL 'none', FORCE_QUOTE *, QUOTE '''');
\echo == copy of a table
\copy (SELECT order_id, amount FROM orders ORDER BY order_id LIMIT 3) TO 'orders.csv' WITH (FORMAT csv, HEADER)
\! cat orders.csv
\echo == copy of columns of a table
\copy segments (segment) TO 'segments.txt'
\! sort segments.txt
\echo == copy to a program
\copy (SELECT 3) TO PROGRAM 'cat'
\echo == copy to standard output
\copy (SELECT 1, NULL, 'a b') TO STDOUT
\echo == copy to the output of psql
\copy (SELECT 'x') TO PSTDOUT
\echo == copy as csv with options
\copy (SELECT 1 AS a, NULL AS b, 'x''y' AS c, 'z' AS d) TO STDOUT WITH (FORMAT csv, HEADER true, DELIMITER ';', NULL 'none', QUOTE '''', ESCAPE '\', FORCE_QUOTE (d))
\echo == copy as csv in the old form
\copy (SELECT 1 AS a, NULL AS b, 'x,y' AS c) TO STDOUT CSV HEADER NULL AS 'none'
\echo == copy as text with a header
\copy (SELECT 1 AS a, NULL AS b) TO STDOUT WITH (HEADER, DELIMITER '|', NULL '-')
\echo == copy in another encoding
\copy (SELECT 'é' AS a) TO PROGRAM 'od -An -tx1' WITH (ENCODING 'LATIN1')
\echo == copy in binary
\copy (SELECT 1::int4 AS a, 'x' AS b, NULL::int8 AS c) TO PROGRAM 'od -An -tx1' WITH (FORMAT binary)
\echo == copy of a table with columns in another order
\copy segments (members, segment) TO PROGRAM 'LC_ALL=C sort'
\echo == copy of a view
\copy (TABLE cohort_retention_monthly) TO PROGRAM 'head -1' WITH CSV HEADER
\echo == copy of a query that fails
\copy (SELECT 1 / 0) TO STDOUT
\echo == copy of no such table
\copy nothing TO STDOUT
\echo == copy of many rows
\copy (SELECT x, repeat('a', 100) FROM generate_series(1, 50000) AS t(x)) TO PROGRAM 'wc -lc'
\echo == how many rows were copied
\set QUIET off
\copy (SELECT x FROM generate_series(1, 3) AS t(x)) TO '/dev/null'
\echo :ROW_COUNT
\set QUIET on
\echo == part errors
\echo == error syntax
SELEC 1;
\echo == error at the end
SELECT 1 +;
\echo == error no such column
SELECT emial FROM customers;
\echo == error no such table
SELECT 1 FROM custmers;
\echo == error no such function
SELECT nothing(1);
\echo == error ambiguous
SELECT customer_id FROM orders, customers;
\echo == error division by zero
SELECT 1 / 0;
\echo == error no number
SELECT 'x'::int;
\echo == error no date
SELECT 'x'::date;
\echo == error out of range
SELECT 2147483647 + 1;
\echo == error not grouped
SELECT status, count(*) FROM orders;
\echo == error aggregate in where
SELECT 1 FROM orders WHERE count(*) > 1;
\echo == error types that do not compare
SELECT 1 FROM orders WHERE order_id = 1;
\echo == error no such setting
SET nothing_at_all = 1;
\echo == error a value that a setting cannot have
SET TimeZone = 'Nowhere/Here';
\echo == error no such cursor
FETCH 1 FROM nothing;
\echo == error no such prepared statement
EXECUTE nothing;
\echo == error several rows of a subquery
SELECT (SELECT x FROM generate_series(1, 2) AS t(x));
\echo == more of an error
SELECT 1 / 0;
\echo :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE
\echo == a block that has failed
BEGIN;
SELECT 1 / 0;
SELECT 1;
COMMIT;
SELECT 'goes on' AS then;
\echo == rolled back to a savepoint
BEGIN;
SAVEPOINT s;
SELECT 1 / 0;
ROLLBACK TO s;
SELECT 2 AS two;
COMMIT;
\echo == on error, roll back
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT 1 / 0;
SELECT 3 AS three;
COMMIT;
\set ON_ERROR_ROLLBACK off
\echo == part sessions
\echo == settings
SET TimeZone = 'Europe/Berlin';
SELECT timestamptz '2026-07-01 00:00+00';
SHOW TimeZone;
RESET TimeZone;
SHOW TimeZone;
\echo == styles
SET DateStyle = 'German';
SET IntervalStyle = 'iso_8601';
SELECT date '2026-07-31', interval '1 day 2:03';
RESET DateStyle;
RESET IntervalStyle;
\echo == local to a transaction
BEGIN;
SET LOCAL search_path = raw;
SELECT count(*) > 0 AS some FROM shop_orders;
COMMIT;
SHOW search_path;
\echo == transactions and their warnings
BEGIN;
BEGIN;
COMMIT;
COMMIT;
ROLLBACK;
\echo == prepared
PREPARE p(int) AS SELECT $1 + 1 AS n;
EXECUTE p(41);
DEALLOCATE p;
EXECUTE p(1);
\echo == temporary tables
CREATE TEMP TABLE t AS SELECT 1 AS a UNION ALL SELECT 2;
SELECT sum(a) FROM t;
DROP TABLE t;
\echo == temporary views
CREATE TEMP VIEW v AS SELECT count(*) AS n FROM orders;
SELECT n > 0 AS some FROM v;
DROP VIEW v;
\echo == listening
LISTEN news;
UNLISTEN *;
