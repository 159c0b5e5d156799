-- client DBeaver, in words of our own unversioned
-- protocol extended

-- What DBeaver asks for by pgjdbc, in words of our own: `x.oid, x.*` of relations of the catalog with their comments, what it needs
-- to show the properties of tables, sizes, dependencies and sessions, its editor and its plans.

-- part a connection
-- == who and where
SELECT current_schema(), session_user;

-- == search path
SHOW search_path;

-- == set search path
SET search_path = public, "$user";

-- == a setting of strings
SELECT s.name, s.setting, s.vartype, s.context FROM pg_catalog.pg_settings AS s WHERE s.name = 'standard_conforming_strings';

-- == keywords
SELECT string_agg(k.word, ',' ORDER BY k.word) FROM pg_catalog.pg_get_keywords() AS k WHERE k.word <> ALL ('{a,abort,abs,absent,select,from,where,zone}'::text[]) AND k.word LIKE 'z%';

-- == categories of keywords
SELECT k.word, k.catcode, k.catdesc FROM pg_catalog.pg_get_keywords() AS k WHERE k.word IN ('select', 'limit', 'year', 'values', 'left') ORDER BY 1;

-- == databases
-- without rows
-- with varchar perennial
SELECT db.oid, db.* FROM pg_catalog.pg_database AS db WHERE db.datname = $1 OR db.datallowconn AND NOT db.datistemplate ORDER BY db.datname;

-- == the database
-- without datcollate datctype
SELECT d.datname, d.datcollate, d.datctype, pg_encoding_to_char(d.encoding) AS encoding, t.spcname, d.datconnlimit, d.datistemplate FROM pg_catalog.pg_database AS d LEFT JOIN pg_catalog.pg_tablespace AS t ON t.oid = d.dattablespace WHERE d.datname = current_database();

-- == encodings
SELECT DISTINCT pg_catalog.pg_encoding_to_char(n) AS encoding FROM generate_series(0, 41) AS n WHERE pg_catalog.pg_encoding_to_char(n) IN ('UTF8', 'LATIN1', 'SQL_ASCII') ORDER BY 1;

-- == tablespaces
-- without rows
SELECT t.oid, t.*, pg_tablespace_location(t.oid) AS location FROM pg_catalog.pg_tablespace AS t ORDER BY t.oid;

-- == roles
-- without rows
SELECT r.oid, r.*, d.description FROM pg_catalog.pg_roles AS r LEFT OUTER JOIN pg_catalog.pg_shdescription AS d ON d.objoid = r.oid ORDER BY r.rolname;

-- == the role
SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolconnlimit, r.rolvaliduntil, r.rolbypassrls, r.rolreplication FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'analyst';

-- == members of roles
SELECT m.oid_text, m.name FROM (SELECT a.member::text AS oid_text, r.rolname AS name FROM pg_catalog.pg_auth_members AS a JOIN pg_catalog.pg_roles AS r ON r.oid = a.roleid) AS m WHERE m.name = 'analyst';

-- part schemas, types and functions
-- == every column of a schema
-- without rows
SELECT ns.oid, ns.*, said.description FROM pg_catalog.pg_namespace AS ns LEFT JOIN pg_catalog.pg_description AS said ON said.classoid = 'pg_namespace'::regclass AND said.objoid = ns.oid AND said.objsubid = 0 ORDER BY ns.nspname;

-- == schemas with comments
SELECT n.nspname, pg_get_userbyid(n.nspowner) AS owner, d.description FROM pg_catalog.pg_namespace AS n LEFT OUTER JOIN pg_catalog.pg_description AS d ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass WHERE n.nspname IN ('public', 'raw', 'perennial') ORDER BY n.nspname;

-- == every column of a type
-- without rows
SELECT ty.oid, ty.*, format_type(nullif(ty.typbasetype, 0), ty.typtypmod) AS base, rel.relkind, said.description FROM pg_catalog.pg_type AS ty LEFT JOIN pg_catalog.pg_class AS rel ON ty.typrelid = rel.oid LEFT JOIN pg_catalog.pg_type AS element ON ty.typelem = element.oid LEFT JOIN pg_catalog.pg_description AS said ON said.objoid = ty.oid WHERE coalesce(rel.relkind, 'c') = 'c' AND coalesce(element.typcategory, 'X') <> 'C' ORDER BY ty.typname;

-- == types with their elements
SELECT t.typname, t.typlen, t.typbyval, t.typtype, t.typcategory, t.typispreferred, t.typdelim, e.typname AS element, t.typalign, t.typstorage, t.typdefault FROM pg_catalog.pg_type AS t LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem WHERE t.typname IN ('int4', '_int4', 'text', '_text', 'numeric', 'timestamptz', 'name', 'jsonb', 'oid', 'int2vector') ORDER BY t.oid;

-- == functions of types
SELECT t.typname, t.typinput::text AS reads, t.typoutput::text AS writes, t.typreceive::text AS receives, t.typmodin::text AS modifier FROM pg_catalog.pg_type AS t WHERE t.typname IN ('int4', 'numeric', 'text') ORDER BY t.oid;

-- == every column of a function
-- without rows
SELECT fn.oid, fn.*, lang.lanname, pg_catalog.pg_get_expr(fn.proargdefaults, 0) AS defaults, said.description FROM pg_catalog.pg_proc AS fn LEFT JOIN pg_catalog.pg_description AS said ON said.objoid = fn.oid LEFT JOIN pg_catalog.pg_language AS lang ON lang.oid = fn.prolang WHERE fn.pronamespace = 'pg_catalog'::regnamespace ORDER BY fn.proname LIMIT 1;

-- == casts
SELECT c.castcontext, c.castmethod, s.typname AS source, t.typname AS target FROM pg_catalog.pg_cast AS c JOIN pg_catalog.pg_type AS s ON s.oid = c.castsource JOIN pg_catalog.pg_type AS t ON t.oid = c.casttarget WHERE s.typname IN ('int4', 'date') ORDER BY 3, 4;

-- == languages
SELECT l.lanname, l.lanispl, l.lanpltrusted FROM pg_catalog.pg_language AS l WHERE l.lanname IN ('internal', 'c', 'sql') ORDER BY l.lanname;

-- == collations
SELECT c.collname, c.collcollate, c.collctype, c.collprovider FROM pg_catalog.pg_collation AS c WHERE c.collname IN ('C', 'POSIX', 'default') ORDER BY 1;

-- == access methods
SELECT a.oid, a.amname, a.amtype FROM pg_catalog.pg_am AS a ORDER BY a.oid;

-- == operator classes
SELECT o.opcname, o.opcdefault, t.typname FROM pg_catalog.pg_opclass AS o JOIN pg_catalog.pg_type AS t ON t.oid = o.opcintype JOIN pg_catalog.pg_am AS a ON a.oid = o.opcmethod WHERE a.amname = 'btree' AND t.typname IN ('int4', 'text', 'timestamptz') ORDER BY 1;

-- == labels of enums
SELECT e.oid, e.* FROM pg_catalog.pg_enum AS e;

-- == extensions
SELECT x.oid, x.extname, x.extversion FROM pg_catalog.pg_extension AS x WHERE x.extname = 'nothing';

-- part tables
-- == every column of a table
-- without rows
SELECT rel.oid, rel.*, said.description, pg_catalog.pg_get_partkeydef(rel.oid) AS part_of, pg_catalog.pg_get_expr(rel.relpartbound, rel.oid) AS bound FROM pg_catalog.pg_class AS rel LEFT JOIN pg_catalog.pg_description AS said ON said.classoid = 'pg_class'::regclass AND said.objoid = rel.oid AND said.objsubid = 0 WHERE rel.relkind NOT IN ('i', 'I', 'c') AND rel.relnamespace = 'public'::regnamespace ORDER BY rel.relname;

-- == tables with comments
-- with varchar public
SELECT c.relname, c.relkind, c.relpersistence, c.relnatts, c.relhasindex, c.relhasrules, c.relhastriggers, c.relispartition, c.relrowsecurity, pg_get_userbyid(c.relowner) AS owner, d.description FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace LEFT OUTER JOIN pg_catalog.pg_description AS d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass WHERE n.nspname = $1 AND c.relkind IN ('r', 'v') ORDER BY c.relname;

-- == every column of a column
-- without rows
SELECT rel.relname, col.*, said.description, pg_catalog.pg_get_expr(dflt.adbin, dflt.adrelid, true) AS default_text, owned.objid AS sequence FROM pg_catalog.pg_class AS rel JOIN pg_catalog.pg_attribute AS col ON col.attrelid = rel.oid LEFT JOIN pg_catalog.pg_attrdef AS dflt ON (dflt.adrelid, dflt.adnum) = (col.attrelid, col.attnum) LEFT JOIN pg_catalog.pg_description AS said ON said.objoid = rel.oid AND said.objsubid = col.attnum LEFT JOIN pg_catalog.pg_depend AS owned ON owned.refobjid = rel.oid AND owned.refobjsubid = col.attnum AND owned.classid = owned.refclassid AND owned.deptype = 'i' WHERE rel.oid = 'orders'::regclass AND NOT col.attisdropped ORDER BY col.attnum;

-- == columns with comments
-- with varchar orders
SELECT a.attnum, a.attname, t.typname, a.atttypmod, a.attnotnull, a.atthasdef, a.attidentity, a.attgenerated, a.attlen, a.attndims, a.attislocal, dsc.description FROM pg_catalog.pg_attribute AS a INNER JOIN pg_catalog.pg_class AS c ON a.attrelid = c.oid INNER JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid LEFT OUTER JOIN pg_catalog.pg_description AS dsc ON c.oid = dsc.objoid AND a.attnum = dsc.objsubid WHERE c.relname = $1 AND c.relnamespace = 'public'::regnamespace AND NOT a.attisdropped ORDER BY a.attnum;

-- == columns of the system
SELECT a.attnum, a.attname, a.atttypid FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = 'orders'::regclass AND a.attnum < 0 ORDER BY a.attnum DESC;

-- == every column of a constraint
-- without rows
SELECT con.oid, con.*, rel.relname AS of_table, target.relnamespace AS target_schema, CASE con.contype WHEN 'c' THEN "substring"(pg_get_constraintdef(con.oid), 7) END AS condition, said.description FROM pg_catalog.pg_constraint AS con JOIN pg_catalog.pg_class AS rel ON rel.oid = con.conrelid LEFT JOIN pg_catalog.pg_class AS target ON target.oid = con.confrelid LEFT JOIN pg_catalog.pg_description AS said ON said.classoid = 'pg_constraint'::regclass AND said.objoid = con.oid AND said.objsubid = 0 WHERE rel.relnamespace = 'public'::regnamespace ORDER BY con.conname;

-- == constraints
SELECT c.conname, c.contype, c.condeferrable, c.convalidated, t.relname, rt.relname AS referred, c.conkey, c.confkey, c.confupdtype, c.confdeltype, c.confmatchtype, pg_get_constraintdef(c.oid) AS definition, pg_get_constraintdef(c.oid, true) AS pretty FROM pg_catalog.pg_constraint AS c INNER JOIN pg_catalog.pg_class AS t ON t.oid = c.conrelid LEFT OUTER JOIN pg_catalog.pg_class AS rt ON rt.oid = c.confrelid WHERE t.relnamespace = 'public'::regnamespace AND t.relname IN ('orders', 'segment_members', 'customers') ORDER BY c.conname;

-- == every column of an index
-- without rows
SELECT ix.*, ix.indkey AS places, rel.relname, rel.relam, rel.reltablespace, owner.relname AS of_table, pg_catalog.pg_get_expr(ix.indexprs, ix.indrelid, true) AS expressions, pg_catalog.pg_get_expr(ix.indpred, ix.indrelid) AS condition, pg_catalog.pg_stat_get_numscans(ix.indexrelid) AS scans, pg_catalog.pg_relation_size(ix.indexrelid) AS size, said.description FROM pg_catalog.pg_index AS ix JOIN pg_catalog.pg_class AS rel ON rel.oid = ix.indexrelid JOIN pg_catalog.pg_class AS owner ON owner.oid = ix.indrelid LEFT JOIN pg_catalog.pg_description AS said ON said.objoid = ix.indexrelid WHERE ix.indrelid = 'orders'::regclass ORDER BY owner.relname, rel.relname;

-- == columns of indexes
SELECT c.relname, unnest(i.indkey) AS attnum, unnest(i.indclass) AS class, i.indoption, i.indnatts, i.indisvalid FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid WHERE i.indrelid = 'orders'::regclass;

-- == statement of an index
SELECT pg_catalog.pg_get_indexdef(i.indexrelid) AS definition, pg_catalog.pg_get_indexdef(i.indexrelid, 1, true) AS first FROM pg_catalog.pg_index AS i WHERE i.indrelid = 'segment_members'::regclass;

-- == rules and triggers
SELECT t.tgname, p.proname FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid WHERE t.tgrelid = 'orders'::regclass AND NOT t.tgisinternal;

-- == policies
SELECT p.schemaname, p.tablename, p.policyname, p.roles, p.cmd, p.qual FROM pg_catalog.pg_policies AS p WHERE p.schemaname = 'public' AND p.tablename = 'orders';

-- == descendants
SELECT i.inhseqno, c.relname FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'orders'::regclass ORDER BY i.inhseqno;

-- == size of a table
-- without rows
SELECT pg_catalog.pg_total_relation_size('orders'::regclass) AS total_rel_size, pg_catalog.pg_relation_size('orders'::regclass) AS rel_size, pg_size_pretty(pg_catalog.pg_table_size('orders'::regclass)) AS pretty;

-- == statistics of tables
-- without rows
SELECT c.oid, pg_catalog.pg_total_relation_size(c.oid) AS total_rel_size, pg_catalog.pg_relation_size(c.oid) AS rel_size FROM pg_catalog.pg_class AS c WHERE c.relnamespace = 'public'::regnamespace;

-- == privileges of a table
-- with varchar public
-- with varchar orders
SELECT p.grantee, p.table_catalog, p.table_schema, p.table_name, p.privilege_type, p.is_grantable, p.with_hierarchy FROM information_schema.table_privileges AS p WHERE p.table_schema = $1 AND p.table_name = $2 AND p.privilege_type = 'SELECT' AND p.grantee = 'analyst';

-- == privileges of columns
-- with varchar orders
SELECT p.grantee, p.column_name, p.privilege_type FROM information_schema.column_privileges AS p WHERE p.table_schema = 'public' AND p.table_name = $1 AND p.grantee = 'analyst' ORDER BY p.column_name;

-- == statement of a view that is none
SELECT pg_catalog.pg_get_viewdef(c.oid, true) IS NULL AS none FROM pg_catalog.pg_class AS c WHERE c.oid = 'orders'::regclass;

-- == what depends on a table
SELECT DISTINCT d.deptype, CASE WHEN c.relname IS NOT NULL THEN 'relation' WHEN k.conname IS NOT NULL THEN 'constraint' ELSE 'other' END AS kind, COALESCE(c.relname, k.conname) AS name FROM pg_catalog.pg_depend AS d LEFT JOIN pg_catalog.pg_class AS c ON d.objid = c.oid AND d.classid = 'pg_class'::regclass LEFT JOIN pg_catalog.pg_constraint AS k ON d.objid = k.oid AND d.classid = 'pg_constraint'::regclass WHERE d.refobjid = 'segments'::regclass AND d.deptype <> 'i' ORDER BY 2, 3;

-- == objects by a name
-- with varchar %order%
SELECT n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND lower(c.relname) LIKE lower($1) AND n.nspname = 'public' ORDER BY 2 LIMIT 100;

-- == columns by a name
-- with varchar %amount%
SELECT c.relname, a.attname FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid WHERE a.attname ILIKE $1 AND c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 ORDER BY 1, 2;

-- part sessions, settings and plans
-- == sessions
-- without rows
SELECT s.* FROM pg_catalog.pg_stat_activity AS s;

-- == the session
SELECT s.usename, s.datname, s.state, s.query LIKE 'SELECT s.usename%' AS this FROM pg_catalog.pg_stat_activity AS s WHERE s.pid = pg_backend_pid();

-- == locks
-- without rows
SELECT b.pid, b.locktype, b.relation::regclass::text AS rel FROM pg_catalog.pg_locks AS b JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid WHERE NOT b.granted;

-- == settings
SELECT s.name, s.setting, s.unit, s.context, s.vartype, s.enumvals FROM pg_catalog.pg_settings AS s WHERE s.name IN ('TimeZone', 'search_path', 'statement_timeout', 'extra_float_digits', 'application_name', 'bytea_output') AND s.name <> 'application_name' ORDER BY lower(s.name);

-- == sizes of a database
-- without rows
SELECT pg_catalog.pg_database_size(current_database());

-- == rows of the grid
-- with int4 2
SELECT * FROM public.segments ORDER BY segment LIMIT $1;

-- == number of rows
SELECT count(*) FROM public.orders;

-- == first rows of a statement
SELECT * FROM (SELECT segment, members FROM public.segments ORDER BY 1) AS dbvrcnt OFFSET 1;

-- == plan
-- without rows
EXPLAIN (FORMAT XML, ANALYSE) SELECT 1;

-- == statement with a filter of the grid
SELECT segment FROM public.segments WHERE members > 0 ORDER BY members DESC NULLS LAST, segment ASC;
