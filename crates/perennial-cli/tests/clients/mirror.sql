-- Statements that make, on another server, the schemas, tables, keys, views and comments that this one has.
-- `psql -XAt -f mirror.sql` prints them; the rows of tables go by COPY, those of views are in the views.
SELECT format('CREATE SCHEMA IF NOT EXISTS %I; GRANT USAGE ON SCHEMA %1$I TO analyst;', nspname)
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
ORDER BY nspname;

SELECT format('CREATE TABLE %I.%I (%s);', n.nspname, c.relname,
              string_agg(format('%s %s%s', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                                CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END), ', ' ORDER BY a.attnum))
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
GROUP BY n.nspname, c.relname
ORDER BY n.nspname, c.relname;

SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s;', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint
ORDER BY contype DESC, conrelid::regclass::text, conname;

-- A view over the rows that it has here.
SELECT format('SELECT format(''CREATE VIEW %1$I.%2$I AS SELECT * FROM unnest(%3$s) AS t (%4$s);'', %5$s) FROM %1$I.%2$I',
              n.nspname, c.relname,
              string_agg(format('%%L::%s[]', format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum),
              string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
              string_agg(format('array_agg(%s)::text', quote_ident(a.attname)), ', ' ORDER BY a.attnum))
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relkind = 'v' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
GROUP BY n.nspname, c.relname
ORDER BY n.nspname, c.relname
\gexec

SELECT format('COMMENT ON SCHEMA %I IS %L;', n.nspname, d.description)
FROM pg_namespace AS n
JOIN pg_description AS d ON d.objoid = n.oid AND d.classoid = 'pg_namespace'::regclass
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema';

SELECT format('COMMENT ON %s %I.%I IS %L;', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, n.nspname, c.relname, d.description)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_description AS d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
WHERE c.relkind IN ('r', 'v') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname;

SELECT format('COMMENT ON COLUMN %I.%I.%I IS %L;', n.nspname, c.relname, a.attname, d.description)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid
JOIN pg_description AS d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
WHERE c.relkind IN ('r', 'v') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, c.relname, a.attnum;

SELECT format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO analyst;', nspname)
FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
ORDER BY nspname;
