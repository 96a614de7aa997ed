/** One request on its way through the stages: what each stage found for the next. */
import { randomUUID } from 'node:crypto';
import { sluiceHeaders } from '#contracts/oip';
import type { Trace } from '#platform/trace-context';
import type { Cell } from '#quota/cell';
import { noCosts } from '#quota/costs';
import type { Costs } from '#quota/costs';
import type { Identity } from './authenticate.js';
import type { Body } from './body.js';
import type { CallerRequest, CallerResponse } from './caller.js';
import type { OutcomeCode } from './outcome-code.js';
import type { InferenceRoute } from './routes.js';
import type { TableEndpoint, TableVersion } from './routing-table.js';
import type { Replica } from './upstreams.js';

const saneRequestId = /^[\w.:@/+=-]{1,128}$/;
const noTrace: Trace = { traceId: '', spanId: '', parentId: undefined, isSampled: false };
const noCells: readonly Cell[] = [];

/** The caller's request id when it is a sane one, else a new one. Not a UUIDv7: Node keeps randomness in stock for these only. */
export function requestIdOf({ headers }: Pick<CallerRequest, 'headers'>): string {
  const given = headers[sluiceHeaders.requestId];
  return typeof given === 'string' && saneRequestId.test(given) ? given : randomUUID();
}

export class Exchange {
  readonly requestId: string;
  /** Set when the exchange begins to be tracked. */
  trace: Trace = noTrace;
  /** On the monotonic clock. */
  readonly arrivedMs = performance.now();
  identity: Identity | undefined;
  endpoint: TableEndpoint | undefined;
  version: TableVersion | undefined;
  /** Of the quotas that apply. */
  quotaCells: readonly Cell[] = noCells;
  /** Of these, the ones that count this request: all, unless a quota in shadow mode or an outage policy let it in. */
  chargedCells: readonly Cell[] = noCells;
  /** What is charged to them until it is known what the request really costs. */
  reserved: Costs = noCosts;
  /** When they were charged; 0 while they are not. */
  chargedAtMs = 0;
  outcome: OutcomeCode = 'OK';
  /** Whose answer the caller gets. */
  replica: Replica | undefined;
  /** When the request first went to a replica; 0 when it never did. */
  sentMs = 0;
  /** When the answer that the caller gets began; 0 when none did. */
  answeredMs = 0;
  /** As the node measured it, for the answer that the caller gets; negative when it did not say. */
  queueMs = -1;
  computeMs = -1;
  /** Batch items that the node answered, and the request's own share of the time in the model. */
  rows = -1;
  ownComputeUs = -1;
  /** Of the bodies, as far as they went. */
  body: Body | undefined;
  answerBytes = 0;
  /** Called when the response is over or the caller is gone, whichever comes first. */
  onClosed: (() => void) | undefined;

  constructor(
    readonly req: CallerRequest,
    readonly res: CallerResponse,
    readonly route: InferenceRoute,
  ) {
    this.requestId = requestIdOf(req);
  }
}
