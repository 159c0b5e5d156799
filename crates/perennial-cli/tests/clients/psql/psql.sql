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
\echo == a cross table
SELECT date_part('year', time)::int AS year, status, count(*) FROM orders GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview
\echo == a cross table of chosen columns
SELECT status, date_part('year', time)::int AS year, count(*) AS n FROM orders GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview year status n status
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
