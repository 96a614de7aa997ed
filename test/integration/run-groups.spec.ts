/** Runs among one another (nested, compared, in a study), and what a run says of itself: its text log and its machine. */
import { SluiceClientError } from '#client/client';
import type { SluiceClient } from '#client/client';
import type { LogLine } from '#contracts/run-lines';
import type { CreateStudy } from '#contracts/studies';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { startRegistry } from '../support/registry.js';
import type { TestRegistry } from '../support/registry.js';

let registry: TestRegistry;
let client: SluiceClient;
let token: string;

beforeAll(async () => {
  registry = await startRegistry();
  ({ client, token } = await registry.caller('runs:write'));
});
afterAll(() => registry.close());

const codeOf = (error: unknown): unknown => (error instanceof SluiceClientError ? error.code : error);
const point = (key: string, value: number | 'NaN', step = 1) => ({ key, value, step, timestamp_ms: 1 });

describe('nested runs', () => {
  it('know their parent, also when an MLflow client nested them, and are listed by it', async () => {
    const parent = await client.runs.create({ body: { name: 'parent' } });
    const child = await client.runs.create({ body: { parent_run_id: parent.id } });
    const answer = await registry.send('POST', '/api/2.0/mlflow/runs/create', {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        experiment_id: '0',
        tags: [{ key: 'mlflow.parentRunId', value: parent.id.replaceAll('-', '') }],
      }),
    });
    expect(answer.status).toBe(200);
    const { items } = await client.runs.list({ query: { parent_run_id: parent.id } });
    expect(items).toHaveLength(2);
    expect(items.map(({ parent_run_id }) => parent_run_id)).toEqual([parent.id, parent.id]);
    expect(items[1]).toMatchObject({
      id: child.id,
      tags: { 'mlflow.parentRunId': parent.id.replaceAll('-', '') },
    });
    expect(parent.parent_run_id).toBeNull();
    await expect(client.runs.create({ body: { parent_run_id: randomUUID() } }).catch(codeOf)).resolves.toBe(
      'RUN_NOT_FOUND',
    );
  });
});

describe('a comparison', () => {
  it('has params and metrics as rows and runs as columns', async () => {
    const make = async (params: Record<string, string>, metrics: ReturnType<typeof point>[]) => {
      const run = await client.runs.create({ body: { params } });
      await client.runs.log({ params: { run_id: run.id }, body: { metrics } });
      return run.id;
    };
    const ids = [
      await make({ lr: '0.1', seed: '1' }, [point('loss', 0.5), point('system/cpu', 3)]),
      await make({ lr: '0.2', seed: '1' }, [point('loss', 'NaN'), point('acc', 1)]),
    ];
    const { runs, params, metrics } = await client.runs.compare({ query: { run_ids: ids.join(',') } });
    expect(runs.map(({ id }) => id)).toEqual(ids);
    expect(params).toEqual([
      { key: 'lr', values: ['0.1', '0.2'], differs: true },
      { key: 'seed', values: ['1', '1'], differs: false },
    ]);
    expect(metrics).toEqual([
      { key: 'acc', values: [null, 1], differs: true },
      { key: 'loss', values: [0.5, 'NaN'], differs: true },
    ]);
    const unknown = client.runs.compare({ query: { run_ids: `${ids[0]},${randomUUID()}` } });
    await expect(unknown.catch(codeOf)).resolves.toBe('RUN_NOT_FOUND');
    const system = await client.runs.series({
      params: { run_id: ids[0] ?? '' },
      query: { prefix: 'system/' },
    });
    expect(system.items).toEqual([point('system/cpu', 3)]);
  });
});

describe('the text log of a run', () => {
  const append = (runId: string, first_line: number, lines: string[], source?: string) =>
    client.runLines.append({
      params: { run_id: runId },
      body: { first_line, lines, ...(source === undefined ? {} : { source }) },
    });

  it('takes lines in order and once, per source, and refuses gaps and other lines', async () => {
    const { id } = await client.runs.create({ body: {} });
    expect(await append(id, 1, ['one', 'two'])).toEqual({ next_line: 3 });
    expect(await append(id, 1, ['one', 'two'])).toEqual({ next_line: 3 });
    expect(await append(id, 2, ['two', 'drei 🎉', ''])).toEqual({ next_line: 5 });
    expect(await append(id, 1, ['other source'], 'rank/1')).toEqual({ next_line: 2 });
    await expect(append(id, 9, ['late']).catch(codeOf)).resolves.toBe('LOG_CONFLICT');
    await expect(append(id, 4, ['changed', 'more']).catch(codeOf)).resolves.toBe('LOG_CONFLICT');
    const params = { run_id: id };
    const { items, next_line } = await client.runLines.read({ params });
    expect(items.map(({ text }) => text)).toEqual(['one', 'two', 'drei 🎉', '']);
    expect(next_line).toBe(5);
    const tail = await client.runLines.read({ params, query: { tail: 2 } });
    expect(tail.items.map(({ number }) => number)).toEqual([3, 4]);
    const page = await client.runLines.read({ params, query: { after_line: 1, page_size: 1 } });
    expect(page.items.map(({ text }) => text)).toEqual(['two']);
    const { items: sources } = await client.runLines.sources({ params });
    expect(sources.map(({ source, last_line }) => [source, last_line])).toEqual([
      ['main', 4],
      ['rank/1', 1],
    ]);
    await expect(append(randomUUID(), 1, ['x']).catch(codeOf)).resolves.toBe('RUN_NOT_FOUND');
  });

  it('keeps one line per number when two writers send the same lines at once', async () => {
    const { id } = await client.runs.create({ body: {} });
    const lines = Array.from({ length: 200 }, (_, i) => `line ${i + 1}`);
    const writer = async (size: number): Promise<void> => {
      for (let at = 0; at < lines.length; at += size) await append(id, at + 1, lines.slice(at, at + size));
    };
    await Promise.all([writer(7), writer(50), writer(13)]);
    const { items } = await client.runLines.read({ params: { run_id: id } });
    expect(items.map(({ text }) => text)).toEqual(lines);
  });

  it('is followed while it grows, resumed, and ends with the run', async () => {
    const { id } = await client.runs.create({ body: {} });
    await append(id, 1, ['before']);
    const follow = async (headers: Record<string, string>) => {
      const answer = await registry.send('GET', `/api/v1/runs/${id}/lines/stream`, {
        headers: { authorization: `Bearer ${token}`, ...headers },
      });
      expect(answer.headers.get('content-type')).toContain('text/event-stream');
      return answer;
    };
    const whole = await follow({});
    await append(id, 2, ['while']);
    await client.runs.finish({ params: { run_id: id }, body: {} });
    const seen = (text: string) =>
      [...text.matchAll(/^event: line\nid: (\d+)\ndata: (.*)$/gm)].map(
        ([, number, data]) => [Number(number), (JSON.parse(data ?? '') as LogLine).text] as const,
      );
    const text = await whole.text();
    expect(seen(text)).toEqual([
      [1, 'before'],
      [2, 'while'],
    ]);
    expect(text).toMatch(/event: end\nid: 2\ndata: \{"status":"FINISHED"\}\n\n$/);
    expect(seen(await (await follow({ 'last-event-id': '1' })).text())).toEqual([[2, 'while']]);
    const wrong = await registry.send('GET', `/api/v1/runs/${id}/lines/stream`, {
      headers: { authorization: `Bearer ${token}`, 'last-event-id': 'x' },
    });
    expect(wrong.status).toBe(400);
    // What a process says last often comes late.
    expect(await append(id, 3, ['after'])).toEqual({ next_line: 4 });
  });
});

describe('a study', () => {
  const body: z.input<typeof CreateStudy> = {
    experiment: 'tuned',
    name: 'first',
    objective: { metric: 'val loss', direction: 'MINIMIZE' },
    search_space: {
      lr: { type: 'float', low: 0.01, high: 1 },
      opt: { type: 'categorical', choices: ['sgd'] },
    },
  };

  it('groups runs, keeps them within its space, and finds the best finished one', async () => {
    await client.experiments.create({ body: { name: 'tuned' } });
    const study = await client.studies.create({ body });
    expect(study).toMatchObject({ experiment: 'tuned', best: null });
    const params = { study_id: study.id };
    const trial = async (lr: string, value: number | 'NaN' | undefined, finish: boolean) => {
      const run = await client.runs.create({ body: { study_id: study.id, params: { lr } } });
      expect(run).toMatchObject({ experiment: 'tuned', study_id: study.id });
      if (value !== undefined)
        await client.runs.log({ params: { run_id: run.id }, body: { metrics: [point('val loss', value)] } });
      if (finish) await client.runs.finish({ params: { run_id: run.id }, body: {} });
      return run.id;
    };
    const nan = await trial('0.5', 'NaN', true);
    expect((await client.studies.read({ params })).best).toBeNull();
    const good = await trial('0.1', 0.2, true);
    const bad = await trial('0.2', 0.9, true);
    const running = await trial('0.3', 0.1, false);
    const silent = await trial('0.4', undefined, false);
    expect((await client.studies.read({ params })).best).toMatchObject({
      run_id: good,
      value: 0.2,
      params: { lr: '0.1' },
    });
    const order: string[] = [];
    let page_token: string | undefined;
    do {
      const page = await client.studies.runs({
        params,
        query: { page_size: 2, ...(page_token === undefined ? {} : { page_token }) },
      });
      order.push(...page.items.map(({ run_id }) => run_id));
      page_token = page.next_page_token;
    } while (page_token !== undefined);
    expect(order).toEqual([running, good, bad, nan, silent]);
    const outside = client.runs.create({ body: { study_id: study.id, params: { lr: '7' } } });
    await expect(outside.catch(codeOf)).resolves.toBe('INVALID_REQUEST');
    const { items } = await client.studies.list({ query: { experiment: 'tuned' } });
    expect(items.map(({ id }) => id)).toEqual([study.id]);
  });

  it('has a name of its own in its experiment, and must be there to be joined', async () => {
    const again = { ...body, search_space: {} };
    await expect(client.studies.create({ body: again }).catch(codeOf)).resolves.toBe('ALREADY_EXISTS');
    const nowhere = { ...again, experiment: 'nowhere' };
    await expect(client.studies.create({ body: nowhere }).catch(codeOf)).resolves.toBe(
      'EXPERIMENT_NOT_FOUND',
    );
    await expect(client.runs.create({ body: { study_id: randomUUID() } }).catch(codeOf)).resolves.toBe(
      'STUDY_NOT_FOUND',
    );
    await expect(client.studies.read({ params: { study_id: randomUUID() } }).catch(codeOf)).resolves.toBe(
      'STUDY_NOT_FOUND',
    );
  });
});
