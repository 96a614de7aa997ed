/**
 * MLflow's search of runs as statements that indexes answer. When runs are sorted by a metric, param or tag, those that have it
 * come from that table's index in order; the ones without are read only when those are used up.
 */
import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import { decodePageToken, encodePageToken } from '../http/page.js';
import { parseFilter, parseOrder } from './search/filter.js';
import type { Field } from './search/filter.js';
import { afterPlace, orderBy, orderTerms, placeColumn, placeOf } from './search/keyset.js';
import type { Place, Term } from './search/keyset.js';
import { Parameters, attributeOf, toCondition } from './search/sql.js';
import type { Resolve, Subject } from './search/sql.js';

const tables = { metric: 'metric_series', param: 'run_params', tag: 'run_tags' } as const;

export interface RunQuery {
  readonly experimentIds: readonly string[];
  /** A condition on `r.deleted_at`. */
  readonly view: string;
  readonly filter: string;
  readonly orders: readonly string[];
  readonly pageToken: string;
  readonly limit: number;
}

/** A part of the order that one statement reads: the runs that have the first column, those where it is NaN, those without it. */
type Phase = 'all' | 'present' | 'nan' | 'absent';

/** The ids of a page, in order. @throws SluiceError INVALID_REQUEST */
export async function searchRuns(
  manager: EntityManager,
  query: RunQuery,
): Promise<{ ids: string[]; next_page_token?: string }> {
  const [phaseIndex, ...place] = startOf(query.pageToken);
  const phases = phasesOf(query);
  const found: { id: string; place: Place; phase: number }[] = [];
  for (let phase = Number(phaseIndex); phase < phases.length && found.length <= query.limit; phase += 1) {
    const token = phase === Number(phaseIndex) && query.pageToken !== '' ? encodePageToken(place) : '';
    const rows = await readPhase(
      manager,
      query,
      phases[phase] ?? 'all',
      token,
      query.limit + 1 - found.length,
    );
    found.push(...rows.map((row) => ({ ...row, phase })));
  }
  const rows = found.slice(0, query.limit);
  const last = rows.at(-1);
  const hasMore = found.length > query.limit && last !== undefined;
  return {
    ids: rows.map(({ id }) => id),
    ...(hasMore ? { next_page_token: encodePageToken([String(last.phase), ...last.place]) } : {}),
  };
}

const PageKey = z.tuple([z.enum(['0', '1', '2'])], z.string().nullable());
const startOf = (pageToken: string): readonly (string | null)[] =>
  decodePageToken(pageToken === '' ? undefined : pageToken, PageKey) ?? ['0'];

function phasesOf({ orders, filter }: RunQuery): Phase[] {
  const first = orders[0] === undefined ? undefined : parseOrder(orders[0]).field;
  if (first === undefined || !(first.entity in tables)) return ['all'];
  const isRequired = parseFilter(filter).some(
    ({ field, comparator }) => isSame(field, first) && comparator !== 'IS NULL',
  );
  const absent: Phase[] = isRequired ? [] : ['absent'];
  return first.entity === 'metric' ? ['present', 'nan', ...absent] : ['present', ...absent];
}

function readPhase(
  manager: EntityManager,
  query: RunQuery,
  phase: Phase,
  pageToken: string,
  limit: number,
): Promise<{ id: string; place: Place }[]> {
  const parameters = new Parameters();
  const { from, joined, orders } = sourceOf(query, phase, parameters);
  const resolve = resolverOf(joined);
  const terms = withTieBreak(orderTerms(orders, resolve, parameters));
  const place = placeOf(pageToken, terms);
  const ids = query.experimentIds;
  const experiment =
    ids.length === 1 ? `= ${parameters.add(ids[0])}::uuid` : `= ANY(${parameters.add(ids)}::uuid[])`;
  return manager.query(
    `SELECT r.id, ${placeColumn(terms)} FROM ${from} AND r.experiment_id ${experiment} AND ${query.view}
       AND ${toCondition(query.filter, resolve, parameters)}
       AND ${place === undefined ? 'true' : afterPlace(terms, place, parameters)}
     ORDER BY ${orderBy(terms)} LIMIT ${limit}`,
    parameters.values,
  );
}

interface Source {
  /** The FROM list and the begin of the WHERE. */
  readonly from: string;
  /** The field that is the column `o.value`. */
  readonly joined: Field | undefined;
  /** What is left to sort by. */
  readonly orders: readonly string[];
}

function sourceOf({ orders }: RunQuery, phase: Phase, parameters: Parameters): Source {
  const [first = '', ...rest] = orders;
  if (phase === 'all') return { from: 'runs r WHERE true', joined: undefined, orders };
  const { field } = parseOrder(first);
  const table = tables[field.entity as keyof typeof tables];
  const key = `${parameters.add(field.key)}::text`;
  if (phase === 'absent') {
    const none = `NOT EXISTS (SELECT FROM ${table} o WHERE o.run_id = r.id AND o.key = ${key})`;
    return { from: `runs r WHERE ${none}`, joined: undefined, orders: rest };
  }
  const from = `${table} o JOIN runs r ON r.id = o.run_id WHERE o.key = ${key}`;
  if (field.entity !== 'metric') return { from, joined: field, orders };
  // NaN is the greatest number of PostgreSQL's, so all others are below it.
  return phase === 'nan'
    ? { from: `${from} AND o.value = 'NaN'`, joined: field, orders: rest }
    : { from: `${from} AND o.value < 'NaN'`, joined: field, orders };
}

/** Newest first, unless the order says already in which time they come. */
function withTieBreak(terms: readonly Term[]): Term[] {
  const start: Term = { sql: 'r.started_at', type: 'instant', descending: true };
  const isTimed = terms.some(({ sql }) => sql === start.sql);
  return [...terms, ...(isTimed ? [] : [start]), { sql: 'r.id', type: 'uuid', descending: true }];
}

const isSame = (one: Field, other: Field): boolean => one.entity === other.entity && one.key === other.key;

const name: Subject = { sql: 'r.name', type: 'text', required: true };
const started: Subject = { sql: 'r.started_at', type: 'instant', required: true };
const artifactUri = `'mlflow-artifacts:/' || (SELECT CASE WHEN e.name = 'Default' THEN '0' ELSE replace(e.id::text, '-', '') END
  FROM experiments e WHERE e.id = r.experiment_id) || '/' || replace(r.id::text, '-', '') || '/artifacts'`;
const columns: Readonly<Record<string, Subject>> = {
  run_id: { sql: `replace(r.id::text, '-', '')`, type: 'text', required: true },
  run_name: name,
  'run name': name,
  'Run name': name,
  'Run Name': name,
  status: { sql: 'r.status', type: 'text', required: true },
  user_id: { sql: 'r.created_by', type: 'text', required: true },
  artifact_uri: { sql: `(${artifactUri})`, type: 'text', required: true },
  start_time: started,
  created: started,
  Created: started,
  end_time: { sql: 'r.ended_at', type: 'instant' },
};

/** The fields of `runs r`, of which one may be joined as `o`. */
const resolverOf =
  (joined: Field | undefined): Resolve =>
  (field, parameters) => {
    if (field.entity === 'attribute') return attributeOf(columns, field.key);
    if (field.entity === 'dataset') return datasetField(field.key);
    const type = field.entity === 'metric' ? 'number' : 'text';
    if (joined && isSame(field, joined)) return { sql: 'o.value', type, required: true };
    const table = tables[field.entity];
    const key = `${parameters.add(field.key)}::text`;
    return {
      sql: 'f.value',
      type,
      within: (condition) =>
        `EXISTS (SELECT FROM ${table} f WHERE f.run_id = r.id AND f.key = ${key} AND ${condition})`,
    };
  };

const datasetColumns: Readonly<Record<string, string>> = {
  name: 'd.name',
  digest: 'd.digest',
  context: `(i.tags ->> 'mlflow.data.context')`,
};

function datasetField(key: string): Subject | undefined {
  const sql = Object.hasOwn(datasetColumns, key) ? datasetColumns[key] : undefined;
  if (sql === undefined) return undefined;
  return {
    sql,
    type: 'text',
    within: (condition) =>
      `EXISTS (SELECT FROM run_datasets i JOIN datasets d ON d.id = i.dataset_id WHERE i.run_id = r.id AND ${condition})`,
  };
}
