-- client DataGrip, in words of our own unversioned
-- protocol extended

-- What DataGrip and the other IDEs of JetBrains ask for by pgjdbc, in words of our own: the state of a server by its transactions,
-- zones, every kind of object by its number and its xmin, and sources.

-- part the state of a server
-- == keep alive
SELECT 'keep alive';

-- == version
-- without rows
SELECT version();

-- == who and where
SELECT current_database() AS a, current_schema() AS b, current_user AS c, session_user AS d;

-- == since when
SELECT pg_catalog.pg_postmaster_start_time() <= now() AS started, pg_catalog.pg_conf_load_time() <= now() AS loaded;

-- == is it a replica
SELECT pg_catalog.pg_is_in_recovery() AS a, CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE (pg_catalog.txid_current() % 4294967296)::varchar::bigint >= 0 END AS b;

-- == the oldest transaction
SELECT l.transactionid::varchar::bigint AS id FROM pg_catalog.pg_locks AS l WHERE l.transactionid IS NOT NULL AND l.pid <> pg_backend_pid() ORDER BY pg_catalog.age(l.transactionid) DESC LIMIT 1;

-- == zones with their abbreviations
SELECT z.name, z.is_dst FROM (SELECT name, is_dst FROM pg_catalog.pg_timezone_names UNION DISTINCT SELECT abbrev AS name, is_dst FROM pg_catalog.pg_timezone_abbrevs) AS z WHERE z.name IN ('UTC', 'Asia/Tokyo', 'JST') ORDER BY 1;

-- == databases
-- without id
SELECT d.oid::bigint AS id, d.datname AS name, d.datistemplate, d.datallowconn, pg_catalog.pg_get_userbyid(d.datdba) AS owner, pg_catalog.shobj_description(d.oid, 'pg_database') AS comment FROM pg_catalog.pg_database AS d WHERE d.datname = 'perennial' ORDER BY CASE WHEN d.datname = pg_catalog.current_database() THEN -1::bigint ELSE d.oid::bigint END;

-- == roles
-- without id
SELECT r.oid::bigint AS id, r.rolname AS name, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcanlogin, r.rolconnlimit, r.rolvaliduntil, r.rolconfig, pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'analyst';

-- == members
-- without rows
SELECT m.member AS id, m.roleid AS role, m.admin_option FROM pg_catalog.pg_auth_members AS m ORDER BY 1, m.roleid::text;

-- == tablespaces
SELECT t.spcname AS name, pg_catalog.pg_get_userbyid(t.spcowner) AS owner, pg_catalog.pg_tablespace_location(t.oid) AS location, t.spcoptions AS options FROM pg_catalog.pg_tablespace AS t ORDER BY 1;

-- part kinds of objects
-- == schemas by their state
-- without state
SELECT n.nspname AS name, n.xmin AS state, d.description, pg_catalog.pg_get_userbyid(n.nspowner) AS owner FROM pg_catalog.pg_namespace AS n LEFT JOIN pg_catalog.pg_description AS d ON n.oid = d.objoid WHERE n.nspname IN ('raw', 'perennial') ORDER BY CASE WHEN n.nspname = pg_catalog.current_schema() THEN -1::bigint ELSE n.oid::bigint END, 1;

-- == what has changed since
-- without rows
SELECT c.oid AS id, c.relkind AS kind, c.relname AS name FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('r', 'm', 'v', 'f', 'p') AND pg_catalog.age(c.xmin) <= 2147483647;

-- == access methods
SELECT a.oid AS id, a.amname, a.amhandler::regproc AS handler, a.amtype FROM pg_catalog.pg_am AS a ORDER BY 1;

-- == extensions
SELECT e.extname AS name, e.extversion AS version, e.extrelocatable, (SELECT count(*) FROM unnest(e.extconfig) AS u) AS tables FROM pg_catalog.pg_extension AS e WHERE e.extname = 'nothing';

-- == languages
SELECT l.lanname AS name, l.lanpltrusted AS trusted, h.proname AS handler FROM pg_catalog.pg_language AS l LEFT JOIN pg_catalog.pg_proc AS h ON h.oid = l.lanplcallfoid WHERE l.lanname IN ('c', 'internal', 'sql') ORDER BY l.lanname;

-- == casts
SELECT c.castsource::regtype AS source, c.casttarget::regtype AS target, c.castcontext, c.castmethod FROM pg_catalog.pg_cast AS c WHERE c.castsource = 'date'::regtype ORDER BY c.casttarget;

-- == event triggers, wrappers, servers, mappings
SELECT (SELECT count(*) FROM pg_catalog.pg_event_trigger) AS a, (SELECT count(*) FROM pg_catalog.pg_foreign_data_wrapper) AS b, (SELECT count(*) FROM pg_catalog.pg_foreign_server) AS c, (SELECT count(*) FROM pg_catalog.pg_user_mappings) AS d;

-- == sequences, operators, collations
SELECT (SELECT count(*) FROM pg_catalog.pg_sequence) AS a, (SELECT count(*) > 0 FROM pg_catalog.pg_operator) AS b, (SELECT count(*) > 0 FROM pg_catalog.pg_collation) AS c, (SELECT count(*) > 0 FROM pg_catalog.pg_opfamily) AS d;

-- == types with what is below
SELECT t.typname AS name, t.typtype AS kind, t.typcategory AS category, t.typelem AS element, t.typnotnull AS mandatory, t.typtypmod AS modifier, t.typdefault AS default_value, (SELECT count(*) FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0) AS attributes FROM pg_catalog.pg_type AS t WHERE t.typname IN ('int4', '_text', 'orders') AND t.typnamespace IN ('pg_catalog'::regnamespace, 'public'::regnamespace) ORDER BY 1;

-- == tables
-- without id state
SELECT c.oid AS id, c.xmin AS state, c.relkind AS kind, c.relname AS name, c.relpersistence AS persistence, c.reloptions AS options, am.amname AS access_method, c.relispartition AS partition, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound, pg_catalog.pg_get_userbyid(c.relowner) AS owner FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_am AS am ON am.oid = c.relam WHERE c.relnamespace = 'public'::regnamespace::oid AND c.relkind IN ('r', 'm', 'v', 'f', 'p') ORDER BY c.relkind, c.relname;

-- == columns with their types as text
WITH t AS (SELECT c.oid AS id, c.relkind AS kind FROM pg_catalog.pg_class AS c WHERE c.relname = 'orders' AND c.relnamespace = 'public'::regnamespace) SELECT a.attnum AS place, a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS spec, a.atttypmod AS modifier, a.attndims AS dimensions, a.attnotnull AS mandatory, pg_catalog.pg_get_expr(d.adbin, t.id) AS default_value, NOT a.attislocal AS inherited, a.attfdwoptions AS options, a.attisdropped AS dropped, a.attidentity AS identity, a.attgenerated AS generated FROM t INNER JOIN pg_catalog.pg_attribute AS a ON t.id = a.attrelid LEFT JOIN pg_catalog.pg_attrdef AS d ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE a.attnum > 0 ORDER BY t.id, a.attnum;

-- == indexes
SELECT ic.relname AS name, i.indisunique AS uniq, i.indisclustered AS clustered, i.indnkeyatts AS keys, i.indkey AS places, i.indoption AS options, i.indcollation AS collations, pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS condition, am.amname AS method, ic.relispartition FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS ic ON ic.oid = i.indexrelid JOIN pg_catalog.pg_class AS tc ON tc.oid = i.indrelid JOIN pg_catalog.pg_am AS am ON am.oid = ic.relam WHERE (tc.relnamespace, tc.relname) = ('public'::regnamespace, 'orders') ORDER BY 1;

-- == columns of indexes one by one
SELECT i.relname AS index, k AS place, pg_catalog.pg_get_indexdef(x.indexrelid, k, false) AS expression FROM pg_catalog.pg_index AS x INNER JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid, pg_catalog.generate_series(1, 2) AS k WHERE x.indrelid = 'public.orders'::regclass AND k <= x.indnkeyatts ORDER BY 1, 2;

-- == keys
SELECT t.relname AS table_name, k.conname AS name, k.contype AS kind, k.conkey AS columns, r.relname AS ref_table, k.confkey AS ref_columns, k.confmatchtype AS match, k.confupdtype AS on_update, k.confdeltype AS on_delete, k.condeferrable, k.condeferred, pg_catalog.pg_get_expr(k.conbin, k.conrelid) AS predicate, k.conindid = 0 AS without_index FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS t ON t.oid = k.conrelid LEFT JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid WHERE t.relname IN ('orders', 'segment_members') AND k.contype <> 't' ORDER BY 1, 2;

-- == ancestors
SELECT i.inhrelid AS id, pg_catalog.array_agg(i.inhparent::bigint ORDER BY i.inhseqno)::varchar AS ancestors FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid WHERE c.relnamespace = 'public'::regnamespace GROUP BY i.inhrelid ORDER BY i.inhrelid;

-- == lists as text
SELECT pg_catalog.array_agg(a.attname ORDER BY a.attnum)::varchar AS names FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = 'segments'::regclass AND a.attnum > 0;

-- == comments
SELECT d.objsubid AS place, d.description FROM pg_catalog.pg_description AS d WHERE d.objoid = 'segments'::regclass AND d.classoid = 'pg_class'::regclass::oid ORDER BY 1;

-- == comments of every kind
-- without rows
SELECT d.objoid AS id, CASE WHEN d.classoid = 'pg_catalog.pg_class'::regclass::oid THEN CASE WHEN c.relkind IN ('r', 'v') THEN 'relation' ELSE 'other' END WHEN d.classoid = 'pg_catalog.pg_namespace'::regclass::oid THEN 'schema' ELSE NULL END AS kind, d.objsubid, d.description FROM pg_catalog.pg_description AS d LEFT OUTER JOIN pg_catalog.pg_class AS c ON d.objoid = c.oid WHERE c.relnamespace = 'public'::regnamespace ORDER BY d.objsubid LIMIT 1;

-- == functions
SELECT p.proname AS name, p.prokind AS kind, l.lanname AS language, pg_catalog.pg_get_function_result(p.oid) AS result, p.proretset AS is_set, p.provolatile AS volatility, p.proisstrict AS strict, p.prosecdef AS definer, p.proparallel AS parallel, p.procost AS cost, p.prorows AS rows, p.proargtypes AS argument_types FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang WHERE p.proname IN ('initcap', 'bool_and') AND p.pronamespace = 'pg_catalog'::regnamespace ORDER BY 1;

-- == arguments as text
SELECT p.proname, p.proargnames::varchar AS names, p.proargmodes::varchar AS modes, p.proargtypes::int[]::varchar AS types, p.proallargtypes::varchar AS all_types FROM pg_catalog.pg_proc AS p WHERE p.proname = 'initcap' AND p.pronamespace = 'pg_catalog'::regnamespace;

-- == aggregates
SELECT a.aggfnoid::regproc AS name, a.aggkind, a.aggnumdirectargs, a.aggtransfn::regproc AS transition, a.agginitval FROM pg_catalog.pg_aggregate AS a WHERE a.aggfnoid = 'pg_catalog.bool_and'::regproc;

-- == operators
SELECT o.oprname AS name, o.oprkind AS kind, o.oprleft::regtype AS left, o.oprright::regtype AS right, o.oprresult::regtype AS result FROM pg_catalog.pg_operator AS o WHERE o.oprname = '||' AND o.oprleft = 'text'::regtype AND o.oprright = 'text'::regtype;

-- == operator classes
SELECT o.opcname AS name, am.amname AS method, f.opfname AS family, o.opcintype::regtype AS type, o.opcdefault FROM pg_catalog.pg_opclass AS o JOIN pg_catalog.pg_am AS am ON am.oid = o.opcmethod JOIN pg_catalog.pg_opfamily AS f ON f.oid = o.opcfamily WHERE am.amname = 'btree' AND o.opcintype IN ('int4'::regtype, 'date'::regtype) AND o.opcdefault ORDER BY 1;

-- == rules, triggers and policies
SELECT (SELECT count(*) FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = 'orders'::regclass) AS a, (SELECT count(*) FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = 'segments'::regclass AND NOT t.tgisinternal) AS b, (SELECT count(*) FROM pg_catalog.pg_policy) AS c;

-- == what depends on what
-- without rows
SELECT DISTINCT d.objid AS dependent, d.refobjid AS owner, d.refobjsubid AS place FROM pg_catalog.pg_depend AS d WHERE d.deptype = 'a' ORDER BY 1, 2, 3 LIMIT 1;

-- part sources and data
-- == the statement of a view
-- without source
SELECT c.relname AS name, c.relkind AS kind, pg_catalog.pg_get_viewdef(c.oid, true) AS source FROM pg_catalog.pg_class AS c NATURAL JOIN (SELECT n.oid AS relnamespace FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'public') AS s WHERE c.relkind IN ('v', 'm') ORDER BY 1;

-- == the body of a function
SELECT pg_catalog.pg_get_function_arguments(p.oid) AS arguments, pg_catalog.pg_get_function_sqlbody(p.oid) AS body, pg_catalog.pg_get_expr(p.proargdefaults, 0) AS defaults FROM pg_catalog.pg_proc AS p WHERE p.proname = 'initcap' AND p.pronamespace = 'pg_catalog'::regnamespace;

-- == rows of a table
SELECT t.* FROM public.segments AS t ORDER BY t.segment LIMIT 501;

-- == rows with where they are
-- without ctid
SELECT t.segment, CTID FROM public.segments AS t ORDER BY t.segment LIMIT 2;

-- == number of rows
SELECT COUNT(*) FROM public.orders t;

-- == plan
-- without rows
EXPLAIN (FORMAT JSON) SELECT 1;
