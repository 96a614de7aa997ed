import { route } from '../route.js';
import * as lines from '../run-lines.js';
import { RunParams } from '../runs.js';

export const runLineRoutes = {
  append: route({
    method: 'POST',
    path: '/api/v1/runs/{run_id}/lines',
    summary: 'Append lines to the text log of a run; safe to repeat',
    access: 'runs:write',
    status: 200,
    params: RunParams,
    body: lines.AppendLines,
    maxBodyBytes: 10 * 1_048_576,
    response: lines.AppendedLines,
    errors: ['RUN_NOT_FOUND', 'LOG_CONFLICT'],
  }),
  read: route({
    method: 'GET',
    path: '/api/v1/runs/{run_id}/lines',
    summary: 'Read lines of the text log in order, or only the last ones',
    access: 'runs:read',
    status: 200,
    params: RunParams,
    query: lines.ReadLines,
    response: lines.Lines,
    errors: ['RUN_NOT_FOUND'],
  }),
  sources: route({
    method: 'GET',
    path: '/api/v1/runs/{run_id}/lines/sources',
    summary: 'List the sources that have logged lines',
    access: 'runs:read',
    status: 200,
    params: RunParams,
    response: lines.LineSources,
    errors: ['RUN_NOT_FOUND'],
  }),
  stream: route({
    method: 'GET',
    path: '/api/v1/runs/{run_id}/lines/stream',
    summary:
      'Follow the text log: a `line` event with a LogLine each, and `end` when the run has ended; resumes after Last-Event-ID',
    access: 'runs:read',
    status: 200,
    params: RunParams,
    query: lines.FollowLines,
    responseMedia: 'event-stream',
    errors: ['RUN_NOT_FOUND'],
  }),
};
