// node-postgres, below most services in JavaScript: pg with its pool, pg-cursor and pg-query-stream.

import pg from 'pg';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { ENDLESS, check, client, done, part, refused, version } from './transcript.mjs';

const open = async (options = {}) => {
  const connection = new pg.Client(options);
  connection.on('error', () => {});
  await connection.connect();
  return connection;
};
const db = await open();
const rows = async (query, values, options = {}) => (await db.query({ text: query, values, rowMode: 'array', ...options })).rows;

async function values() {
  part('values of every type');
  const moment = new Date('2024-02-29T03:04:05.678Z');
  for (const [kind, value] of [
    ['bool', true], ['int2', -7], ['int4', 2147483647], ['int8', '9007199254740993'], ['float4', 0.5], ['float8', 0.1], ['float8', NaN], ['float8', -Infinity], ['numeric', '-12.3400'], ['numeric(18,4)', '1.5'],
    ['text', "a'b\\ €\n\t"], ['text', ''], ['varchar', 'x'], ['char(3)', 'ab'], ['name', 'orders'], ['bytea', Buffer.from([0, 255, 39, 92])], ['date', '2024-02-29'], ['time', '03:04:05.678901'], ['timestamp', '2024-02-29 03:04:05.678901'],
    ['timestamptz', moment], ['interval', '1 year 2 months 3 days 04:05:06.7'], ['interval', '-1 day'], ['uuid', '12345678-1234-5678-9abc-def012345678'], ['json', { a: [1, null] }], ['jsonb', { b: '€' }], ['oid', 1259], ['point', '(1,2)'],
    ['int4[]', [1, 2, null]], ['int8[]', ['9007199254740993']], ['text[]', ['a', 'b "c"', null, '', '{}', 'NULL']], ['float8[]', [0.5]], ['bool[]', [true, null]], ['timestamptz[]', [moment]], ['numeric[]', ['1.50']], ['int4[]', [[1, 2], [3, 4]]], ['text[]', []], ['date[]', ['2024-02-29']],
  ]) {
    await check(`${kind} ${JSON.stringify(value)}${Number.isNaN(value) ? ' NaN' : ''}`, () => rows(`SELECT $1::${kind}, NULL::${kind}`, [value]));
  }
  await check('binary', async () => {
    const binary = await open({ binary: true });
    const result = await binary.query({ text: "SELECT 1, 2::int8, 0.5::float8, true, 'a', '\\x00ff'::bytea, '2024-02-29 03:04:05+00'::timestamptz, ARRAY[1, 2], 1.5::numeric", rowMode: 'array' });
    await binary.end();
    return result.rows;
  });
  await check('types by a parser of one’s own', () => rows('SELECT 1::int8, 2.50::numeric', [], { types: { getTypeParser: (oid, format) => (text) => [oid, format, text.toString()] } }));
}

async function statements() {
  part('statements, their fields and parameters');
  await check('fields', async () => (await db.query('SELECT * FROM customer_360 LIMIT 0')).fields.map((field) => [field.name, field.dataTypeID, field.dataTypeSize, field.dataTypeModifier, field.format]));
  await check('table of a field', async () => (await db.query('SELECT segment, 1 FROM segments LIMIT 0')).fields.map((field) => [field.tableID > 0, field.columnID]));
  await check('rows by name', async () => (await db.query('SELECT segment, members, count(*) OVER () FROM segments ORDER BY 1')).rows);
  await check('command and count', async () => { const result = await db.query('SELECT * FROM orders'); return [result.command, result.rowCount]; });
  await check('several results', async () => (await db.query("SELECT 1 AS a; SET application_name = 'x'; SELECT 'b' AS b, 2 AS c")).map((result) => [result.command, result.rows]));
  await check('an empty query', async () => { const result = await db.query(''); return [result.command, result.rows]; });
  for (const [name, query, parameters] of [
    ['compared with columns', 'SELECT count(*) FROM orders WHERE amount > $1 AND time < $2 AND paid = $3 AND channel <> $4', [20.5, new Date('2025-01-01T00:00:00Z'), true, 'email']],
    ['any of texts', 'SELECT count(*) FROM orders WHERE channel = ANY($1)', [['email', 'direct']]],
    ['any of numbers', 'SELECT count(*) FROM customer_360 WHERE orders = ANY($1)', [[1, 2, 3]]],
    ['limit and offset', 'SELECT order_id FROM orders ORDER BY 1 LIMIT $1 OFFSET $2', [2, 3]],
    ['like', "SELECT count(*) FROM events WHERE name LIKE $1 || '%'", ['page']],
    ['an interval', "SELECT count(*) FROM events WHERE time > '2026-07-01'::timestamptz - $1::interval", ['30 days']],
    ['null', 'SELECT count(*) FROM orders WHERE $1::text IS NULL OR channel = $1', [null]],
    ['untyped', 'SELECT $1, $2 || $3', ['a', 'b', 'c']],
    ['numbers', 'SELECT $1 + 1, $2::numeric * 2', [41, '1.25']],
    ['a document', "SELECT $1::jsonb->>'a', $1::jsonb->'b'->0", [{ a: 'x', b: [1] }]],
    ['rows of arrays', 'SELECT * FROM unnest($1::text[], $2::int[]) AS t (a, b) ORDER BY 1', [['x', 'y'], [1, 2]]],
    ['date_trunc', "SELECT date_trunc($1, time) AS t, count(*) FROM orders WHERE time >= '2026-03-01' GROUP BY 1 ORDER BY 1", ['month']],
    ['in a case', "SELECT channel, count(*) FILTER (WHERE amount > $1) FROM orders GROUP BY 1 HAVING count(*) > $2 ORDER BY 1", [20, 50]],
  ]) {
    await check(name, () => rows(query, parameters));
  }
  await check('a named statement', async () => [await rows('SELECT $1::int + 1', [1], { name: 'plus' }), await rows('SELECT $1::int + 1', [2], { name: 'plus' })]);
  await check('named in the catalog', () => rows("SELECT name, statement, parameter_types::text FROM pg_prepared_statements WHERE name = 'plus'"));
  await check('queued', async () => (await Promise.all([1, 2, 3].map((n) => db.query('SELECT $1::int AS n', [n])))).map((result) => result.rows[0].n));
  await check('queued behind an error', async () => (await Promise.allSettled([db.query('SELECT 1 AS n'), db.query('SELECT 1 / 0'), db.query('SELECT 3 AS n')])).map((told) => told.reason?.code ?? told.value.rows));
  await refused('too few parameters', () => rows('SELECT $1::int + $2::int', [1]));
}

async function cursors() {
  part('cursors and streams');
  await check('cursor', async () => {
    const cursor = db.query(new Cursor('SELECT x FROM generate_series(1, $1::int) AS t (x)', [25], { rowMode: 'array' }));
    const told = [await cursor.read(10), await cursor.read(10), await cursor.read(10), await cursor.read(10)].map((portion) => portion.length);
    await cursor.close();
    return told;
  });
  await check('a cursor that is closed early', async () => {
    const cursor = db.query(new Cursor('SELECT * FROM events'));
    const told = (await cursor.read(3)).length;
    await cursor.close();
    return [told, await rows('SELECT 1')];
  });
  await check('an error of a cursor', async () => {
    const cursor = db.query(new Cursor('SELECT 10 / (3 - x) FROM generate_series(1, 9) AS t (x)', [], { rowMode: 'array' }));
    try {
      return [await cursor.read(2), await cursor.read(2)];
    } catch (error) {
      return [error.code, await rows('SELECT 2')];
    }
  });
  await check('stream', async () => {
    let [count, sum] = [0, 0];
    for await (const row of db.query(new QueryStream('SELECT amount::float8 AS amount FROM orders WHERE channel = $1 ORDER BY order_id', ['email'], { batchSize: 20 }))) {
      count += 1;
      sum += row.amount;
    }
    return [count, sum.toFixed(4)];
  });
  await check('a stream that is left', async () => {
    let first;
    for await (const row of db.query(new QueryStream('SELECT record_key FROM events ORDER BY 1', [], { batchSize: 5 }))) {
      first ??= row.record_key;
      break;
    }
    return [first, await rows('SELECT 3')];
  });
}

async function transactions() {
  part('transactions, settings and errors');
  await check('a failed transaction', async () => {
    const told = [];
    for (const query of ['BEGIN', 'SELECT 1', 'SELECT 1 / 0', 'SELECT 2', 'COMMIT', 'SELECT 3']) {
      told.push(await db.query(query).then((result) => result.command, (error) => `${error.code} ${error.message}`));
    }
    return told;
  });
  await check('savepoints', async () => {
    for (const query of ['BEGIN', 'SAVEPOINT a', "SET LOCAL timezone = 'Asia/Tokyo'", 'ROLLBACK TO a']) await db.query(query);
    const told = await rows('SHOW timezone');
    await db.query('COMMIT');
    return told;
  });
  await check('notices', async () => {
    const told = [];
    const hear = (notice) => told.push([notice.severity, notice.code, notice.message]);
    db.on('notice', hear);
    for (const query of ['COMMIT', 'BEGIN', 'BEGIN', 'ROLLBACK']) await db.query(query);
    db.off('notice', hear);
    return told;
  });
  await check('options', async () => {
    const other = await open({ options: '-c timezone=Europe/Berlin -c search_path=raw', application_name: 'suite', statement_timeout: 1234, query_timeout: 60000, idle_in_transaction_session_timeout: 5000 });
    const told = (await other.query({ text: "SELECT current_setting('timezone'), current_schema(), current_setting('application_name'), current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout'), '2024-07-01 00:00+00'::timestamptz::text, '2024-07-01 00:00+00'::timestamptz", rowMode: 'array' })).rows;
    await other.end();
    return told;
  });
  for (const [name, query] of [['syntax', 'SELEC 1'], ['column', 'SELECT nothing FROM orders'], ['table', 'SELECT *\nFROM nothing'], ['number', "SELECT 'a'::int"], ['division', 'SELECT 1 / 0'], ['function', 'SELECT nothing(1)'], ['grouping', 'SELECT channel, count(*) FROM orders']]) {
    await refused(name, () => db.query(query));
    await refused(`${name} with parameters`, () => db.query(`${query} -- $1`, []));
  }
  await check('routine of an error', async () => db.query('SELECT 1 / 0').catch((error) => [error.severity, error.name, error instanceof pg.DatabaseError]));
  await refused('no database', () => open({ database: 'nothing' }));
  await refused('timeout', async () => {
    const other = await open({ statement_timeout: 50 });
    return other.query(ENDLESS).finally(() => other.end());
  });
  await refused('cancelled by another', async () => {
    const other = await open();
    const { rows: [{ pid }] } = await other.query('SELECT pg_backend_pid() AS pid');
    let ended = false;
    const asked = other.query(ENDLESS).finally(() => { ended = true; });
    asked.catch(() => {});
    while (!ended) await db.query('SELECT pg_cancel_backend($1)', [pid]);
    return asked.finally(() => other.end());
  });
  await check('listen', async () => [(await db.query('LISTEN news')).command, (await db.query('UNLISTEN *')).command]);
}

async function pools() {
  part('the pool');
  const pool = new pg.Pool({ max: 2, options: '-c timezone=Europe/Berlin' });
  await check('queries', async () => (await Promise.all([1, 2, 3, 4].map((n) => pool.query('SELECT $1::int AS n, current_setting($2) AS zone', [n, 'timezone'])))).map((result) => result.rows[0]));
  await check('connections', async () => {
    const [one, other] = [await pool.connect(), await pool.connect()];
    const pids = [(await one.query('SELECT pg_backend_pid()')).rows[0], (await other.query('SELECT pg_backend_pid()')).rows[0]].map((row) => row.pg_backend_pid);
    await one.query('DISCARD ALL');
    one.release();
    other.release();
    return [pids[0] !== pids[1], pool.totalCount, pool.idleCount];
  });
  await pool.end();
}

async function catalog() {
  part('metadata and analytical queries');
  for (const [name, query] of [
    ['tables', "SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema IN ('public', 'raw', 'perennial') ORDER BY 1, 2"],
    ['columns', "SELECT column_name, data_type, udt_name, is_nullable, numeric_precision, numeric_scale, character_maximum_length, datetime_precision FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'customer_360' ORDER BY ordinal_position"],
    ['keys', "SELECT conrelid::regclass::text AS of, contype, pg_get_constraintdef(oid) AS key FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY conname"],
    ['comments', "SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v') ORDER BY 1"],
    ['months', "SELECT to_char(date_trunc('month', time), 'YYYY-MM') AS month, count(*)::int AS n, sum(amount) AS revenue FROM orders GROUP BY 1 ORDER BY 1"],
    ['best customers', 'SELECT c.customer_id, c.country, count(o.order_id)::int AS n, sum(o.amount) AS revenue FROM customers c JOIN orders o USING (customer_id) GROUP BY 1, 2 ORDER BY 4 DESC, 1 LIMIT 5'],
    ['documents of groups', "SELECT channel, json_agg(status ORDER BY status) AS of FROM (SELECT DISTINCT channel, status FROM orders WHERE channel IS NOT NULL) AS t GROUP BY 1 ORDER BY 1"],
    ['a document of a row', "SELECT json_build_object('segment', segment, 'members', members) AS row FROM segments ORDER BY segment"],
    ['rows as documents', 'SELECT row_to_json(s) AS row FROM segments s ORDER BY segment'],
    ['time in stages', 'SELECT stage, count(*)::int AS n, max(left_at - entered_at) AS longest FROM lifecycle_history GROUP BY 1 ORDER BY 1'],
  ]) {
    await check(name, () => rows(query));
  }
}

client('node-postgres', version('pg'));
for (const exercise of [values, statements, cursors, transactions, pools, catalog]) await exercise();
await db.end();
done();
