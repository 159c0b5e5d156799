// The transcript of a suite: one line for each thing that a client observes. ../python/transcript.py is the same for Python.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// A query that does not end by itself.
export const ENDLESS =
  'SELECT count(*) FROM generate_series(1, 90000) AS a(x), generate_series(1, 90000) AS b(y), generate_series(1, 90000) AS c(z) WHERE x + y + z = 0';

// The version of an installed package.
export function version(name) {
  const entry = fileURLToPath(import.meta.resolve(name));
  const folder = entry.slice(0, entry.lastIndexOf(`node_modules/${name}/`) + `node_modules/${name}/`.length);
  return JSON.parse(readFileSync(`${folder}package.json`, 'utf8')).version;
}

export const client = (name, version) => console.log(`client ${name} ${version}`);
export const part = (words) => console.log(`part ${words}`);
export const done = () => console.log('done');

// Tells what `ask()` answers.
export async function check(name, ask) {
  try {
    tell('check', name, text(await ask()));
  } catch (error) {
    tell('failed', name, refusal(error));
  }
}

// Tells the error of the server with which `ask()` ends.
export async function refused(name, ask) {
  try {
    tell('failed', name, `answered ${text(await ask())}`);
  } catch (error) {
    tell(fromServer(error) ? 'refused' : 'failed', name, refusal(error));
  }
}

const tell = (outcome, name, answer) => console.log(`${outcome} ${name}\t${answer}`);

// A value as JSON on one line. What JSON does not have is a text that begins with the name of its type.
export const text = (value) => JSON.stringify(plain(value));

function plain(value) {
  if (value === undefined) return 'undefined';
  if (typeof value === 'bigint') return `bigint ${value}`;
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? value : `number ${Object.is(value, -0) ? '-0' : value}`;
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Date) return `Date ${Number.isNaN(value.getTime()) ? 'invalid' : value.toISOString()}`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return Array.from(value, plain);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

const fromServer = (error) => /^[0-9A-Z]{5}$/.test(error?.code ?? '') && error.severity;

export function refusal(error) {
  if (!fromServer(error)) return `${error?.name}: ${error?.message}`.replaceAll('\n', '\\n');
  const named = [['DETAIL', error.detail], ['HINT', error.hint], ['POSITION', error.position]];
  const rest = named.filter(([, value]) => value).map(([name, value]) => `${name} ${value}`);
  return [`${error.code} ${error.message}`, ...rest].join(' | ').replaceAll('\t', ' ').replaceAll('\n', '\\n');
}
