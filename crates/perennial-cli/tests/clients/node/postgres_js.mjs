// postgres.js: tagged templates whose parameters the server types, array types read from pg_type, pipelines by default,
// cursors, COPY as streams, and reserved connections.

import postgres from 'postgres';
import { ENDLESS, check, client, done, part, refused, version } from './transcript.mjs';

const env = process.env;
const how = { host: env.PGHOST, port: Number(env.PGPORT), user: env.PGUSER, password: env.PGPASSWORD, database: env.PGDATABASE, onnotice: () => {} };
const sql = postgres({ ...how, max: 1 });

async function values() {
  part('values of every type');
  const moment = new Date('2024-02-29T03:04:05.678Z');
  for (const [kind, value] of [
    ['bool', true], ['int2', -7], ['int4', 2147483647], ['int8', '9007199254740993'], ['float8', 0.1], ['float8', Infinity], ['numeric', '-12.3400'], ['numeric(18,4)', '1.5'], ['text', "a'b\\ €\n"], ['varchar', ''], ['bytea', Buffer.from([0, 255, 39])],
    ['date', moment], ['timestamp', moment], ['timestamptz', moment], ['time', '03:04:05'], ['interval', '1 year 2 days 03:04:05'], ['uuid', '12345678-1234-5678-9abc-def012345678'], ['json', { a: [1, null] }], ['jsonb', { b: '€' }],
    ['int4[]', [1, 2, null]], ['text[]', ['a', 'b "c"', null, '']], ['float8[]', [0.5]], ['numeric[]', ['1.50']], ['int4[]', [[1, 2], [3, 4]]],
  ]) {
    await check(`${kind} ${JSON.stringify(value)}`, () => sql`SELECT ${value}::${sql.unsafe(kind)} AS v, NULL::${sql.unsafe(kind)} AS nothing`);
  }
  await check('array types of its own', async () => Object.keys(sql.options.parsers).includes('1009') && (await sql`SELECT array_agg(DISTINCT status ORDER BY status) AS all FROM orders`));
}

async function queries() {
  part('templates, parameters and results');
  const since = new Date('2025-01-01T00:00:00Z');
  await check('compared with columns', () => sql`SELECT count(*) FROM orders WHERE amount > ${20} AND time < ${since} AND paid = ${true} AND channel <> ${'email'}`);
  await check('in a list', () => sql`SELECT count(*) FROM orders WHERE channel IN ${sql(['email', 'direct'])}`);
  await check('any', () => sql`SELECT count(*) FROM orders WHERE channel = ANY(${['email', 'direct']})`);
  await check('any of an array with a type', () => sql`SELECT count(*) FROM customer_360 WHERE orders = ANY(${sql.array([1, 2])}::int[])`);
  await check('identifiers', () => sql`SELECT ${sql(['segment', 'members'])} FROM ${sql('public.segments')} ORDER BY ${sql('segment')}`);
  await check('fragments', () => sql`SELECT count(*) FROM orders ${true ? sql`WHERE channel = ${'email'}` : sql``}`);
  await check('rows of values', () => sql`SELECT * FROM (VALUES ${sql([[1, 'a'], [2, 'b']])}) AS t (n, w) ORDER BY w`);
  await check('limit', () => sql`SELECT order_id FROM orders ORDER BY 1 LIMIT ${2} OFFSET ${1}`);
  await check('null', () => sql`SELECT ${null}::text AS a, coalesce(${null}, 'x') AS b`);
  await check('a document', () => sql`SELECT ${sql.json({ a: { b: 1 } })}::jsonb->'a' AS a`);
  await check('raw', () => sql`SELECT 1 AS a, 'b' AS b, NULL AS c`.raw());
  await check('values only', () => sql`SELECT segment, members FROM segments ORDER BY 1`.values());
  await check('simple', () => sql`SELECT 1 AS a; SELECT 'b' AS b`.simple());
  await check('unsafe with parameters', () => sql.unsafe('SELECT $1::int + 1 AS n', [1], { prepare: true }));
  await check('described', async () => { const told = await sql`SELECT order_id, amount, time FROM orders WHERE amount > ${1} AND channel = ${'x'} LIMIT ${2}`.describe(); return [told.types, told.columns.map((column) => [column.name, column.type])]; });
  await check('columns', async () => (await sql`SELECT customer_id, sources, net_revenue, orders, birth_date FROM customer_360 LIMIT 0`).columns.map((column) => [column.name, column.type]));
  await check('count and command', async () => { const rows = await sql`SELECT * FROM orders`; return [rows.count, rows.command, rows.statement.string]; });
  await check('many at once', async () => (await Promise.all([1, 2, 3, 4, 5].map((n) => sql`SELECT ${n}::int AS n`))).map((rows) => rows[0].n));
  await check('an error among many', async () => (await Promise.allSettled([sql`SELECT 1 AS n`, sql`SELECT 1 / 0 AS n`, sql`SELECT 3 AS n`])).map((told) => told.reason?.code ?? told.value[0]));
  await check('without preparing', async () => { const plain = postgres({ ...how, max: 1, prepare: false, fetch_types: false }); const told = await plain`SELECT ${'a'}::text AS a, ARRAY[1, 2] AS b`; await plain.end(); return told; });
  await check('names in camels', async () => { const camel = postgres({ ...how, max: 1, transform: postgres.camel }); const told = await camel`SELECT customer_id, lifecycle_stage FROM customer_360 ORDER BY 1 LIMIT 1`; await camel.end(); return told; });
}

async function streams() {
  part('cursors, forEach and COPY');
  await check('cursor', async () => { const told = []; for await (const rows of sql`SELECT x FROM generate_series(1, 25) AS t (x)`.cursor(10)) told.push(rows.length); return told; });
  await check('a cursor that is left', async () => { for await (const rows of sql`SELECT record_key FROM events ORDER BY 1`.cursor(5)) { if (rows.length) break; } return sql`SELECT 1 AS a`; });
  await check('for each', async () => { let count = 0; await sql`SELECT * FROM orders`.forEach(() => { count += 1; }); return count; });
  await check('copy', async () => { const parts = []; for await (const chunk of await sql`COPY (SELECT order_id, amount, paid FROM orders ORDER BY 1 LIMIT 3) TO STDOUT (FORMAT csv, HEADER)`.readable()) parts.push(chunk); return Buffer.concat(parts).toString(); });
}

async function transactions() {
  part('transactions, reserved connections and settings');
  await check('begin', () => sql.begin(async (tx) => [await tx`SELECT 1 AS a`, await tx`SHOW transaction_isolation`]));
  await check('begin with options', () => sql.begin('isolation level repeatable read read only', (tx) => [tx`SHOW transaction_isolation`, tx`SHOW transaction_read_only`]));
  await check('savepoint', () => sql.begin(async (tx) => { await tx.savepoint('inner', (s) => s`SELECT 1 / 0`).catch(() => {}); return tx`SELECT 2 AS a`; }));
  await refused('rolled back', () => sql.begin((tx) => [tx`SELECT 1`, tx`SELECT nothing`]));
  await check('reserved', async () => { const one = await sql.reserve(); await one`SET timezone = 'Asia/Tokyo'`; const told = await one`SELECT '2024-07-01 00:00+00'::timestamptz::text AS t, current_setting('timezone') AS z`; await one`RESET timezone`; one.release(); return told; });
  await check('settings at start', async () => { const other = postgres({ ...how, max: 1, connection: { application_name: 'suite', timezone: 'Europe/Berlin', search_path: 'raw', statement_timeout: 1000 } }); const told = await other`SELECT current_setting('application_name') AS a, current_setting('timezone') AS z, current_schema() AS s, current_setting('statement_timeout') AS t`; await other.end(); return told; });
  await check('parameters', () => ['TimeZone', 'client_encoding', 'DateStyle', 'standard_conforming_strings', 'integer_datetimes'].map((name) => sql.parameters[name]));
  for (const [name, query] of [['syntax', 'SELEC 1'], ['column', 'SELECT nothing FROM orders'], ['table', 'SELECT * FROM nothing'], ['number', "SELECT 'a'::int"], ['grouping', 'SELECT channel, count(*) FROM orders']]) {
    await refused(name, () => sql.unsafe(query));
  }
  await refused('a parameter that does not fit', () => sql`SELECT count(*) FROM customer_360 WHERE orders = ${'many'}`);
  await refused('cancel', async () => {
    const other = postgres({ ...how, max: 1, connection: { statement_timeout: 20000 } });
    const [{ pid }] = await other`SELECT pg_backend_pid() AS pid`;
    const asked = other.unsafe(ENDLESS).execute();
    let ended = false;
    asked.catch(() => {}).finally(() => { ended = true; });
    while (!ended) await sql`SELECT pg_cancel_backend(${pid})`;
    await other.end();
    return asked;
  });
  await refused('timeout', async () => { const other = postgres({ ...how, max: 1, connection: { statement_timeout: 50 } }); return other.unsafe(ENDLESS).finally(() => other.end()); });
}

async function analysis() {
  part('analytical queries');
  await check('months', () => sql`SELECT date_trunc('month', time) AS month, count(*)::int AS n, sum(amount) AS revenue FROM orders WHERE time >= ${new Date('2026-01-01')} GROUP BY 1 ORDER BY 1`);
  await check('stages', () => sql`SELECT lifecycle_stage, count(*), avg(net_revenue)::numeric(18, 4) AS mean FROM customer_360 GROUP BY 1 ORDER BY 1`);
  await check('sources', () => sql`SELECT customer_id, sources FROM customer_360 WHERE sources @> ${['shop_orders', 'web_events']} ORDER BY 1 LIMIT 3`);
  await check('first and last', () => sql`SELECT DISTINCT ON (customer_id) customer_id, first_value(channel) OVER w AS first, last_value(channel) OVER w AS last FROM orders WINDOW w AS (PARTITION BY customer_id ORDER BY time ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) ORDER BY 1 LIMIT 5`);
}

client('postgres.js', version('postgres'));
for (const exercise of [values, queries, streams, transactions, analysis]) await exercise();
await sql.end();
done();
