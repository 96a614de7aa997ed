/**
 * Shadow traffic: copies of a share of the predictions for a version whose answers nobody gets, compared with what the caller got.
 * A copy leaves when its caller has been answered. It must never delay or fail a caller, wait for room, be tried again, or
 * be charged to anyone: when there is no room for it, it is dropped and counted.
 */
import type { Comparison } from '#comparison/compare';
import type { Logger } from '#platform/logger';
import { sluiceHeaders } from '#contracts/oip';
import { Attempt } from './attempt.js';
import type { AttemptOwner, ResponseHeaders } from './attempt.js';
import type { HeldBody } from './body.js';
import type { Exchange } from './exchange.js';
import { nodeHeaders, nodePath } from './node-request.js';
import { pick } from './pick.js';
import { Comparer } from './comparer.js';
import { Recording } from './recording.js';
import { isPrediction, protocolOf } from './routes.js';
import type { TableVersion } from './routing-table.js';
import { dispatchHeld } from './upstreams.js';
import type { Replica } from './upstreams.js';

export interface ShadowSettings {
  /** Copies that are kept or under way at a time. */
  readonly maxShadows: number;
  /** Bytes of requests and answers that they hold. */
  readonly maxShadowBytes: number;
  /** Answers that are larger, as they came or inflated, are not compared. */
  readonly maxComparedBytes: number;
  /** To one replica, with the requests of callers. */
  readonly maxConnectionsPerNode: number;
}

/** What became of one copy. */
export interface ShadowResult {
  readonly endpoint: string;
  readonly version: number;
  readonly outcome: 'answered' | 'failed' | 'dropped';
  /** Undefined when there were no two answers that could be compared. */
  readonly comparison: Comparison | undefined;
}

/** The copy of one request, from the moment that its caller's answer begins. */
export interface Shadow {
  readonly exchange: Exchange;
  readonly body: HeldBody;
  readonly target: TableVersion;
  /** What the caller gets. */
  readonly given: Recording;
  /** Bytes of its own answer that are kept. */
  readonly takenBytes: number;
  readonly heldBytes: number;
}

interface Surroundings {
  readonly settings: ShadowSettings;
  readonly random: () => number;
  /** The gateway's own credential as nodes want it. */
  readonly authorization: string;
  readonly logger: Logger;
}

/** An answer of unknown length is kept as far as this. */
const unannouncedBytes = 1_048_576;
/** The other version may have more to say, and says it uncompressed. */
const longer = (bytes: number, headers: ResponseHeaders): number =>
  headers['content-encoding'] === undefined ? 2 * bytes + 1_024 : 2 * bytes + unannouncedBytes;

/** How much of an answer is worth keeping: nothing of one that is too large to be compared. */
function keptBytes(headers: ResponseHeaders, maxComparedBytes: number): number {
  const announced = headers['content-length'];
  if (typeof announced !== 'string') return Math.min(unannouncedBytes, maxComparedBytes);
  return Number(announced) > maxComparedBytes ? 0 : Number(announced);
}

export class Shadows {
  /** Told what became of each copy. */
  onResult: (result: ShadowResult) => void = () => undefined;
  private count = 0;
  private bytes = 0;
  private readonly comparer: Comparer;

  constructor(private readonly core: Surroundings) {
    this.comparer = new Comparer(core);
  }

  close(): void {
    this.comparer.close();
  }

  /** Draws whether the request is copied. Called when its answer begins; undefined: it is not. */
  sample(exchange: Exchange, status: number, headers: ResponseHeaders): Shadow | undefined {
    const { endpoint, version, body, route } = exchange;
    const shadow = endpoint?.routesFor[protocolOf(route.operation)].shadow;
    if (!shadow || status !== 200 || body?.kind !== 'held' || shadow.target.version === version?.version)
      return undefined;
    // Who names a version wants that one and no other.
    if (route.pin !== undefined || !isPrediction(route.operation)) return undefined;
    if (this.core.random() >= shadow.share) return undefined;
    const { maxComparedBytes } = this.core.settings;
    const givenBytes = keptBytes(headers, maxComparedBytes);
    const takenBytes = givenBytes === 0 ? 0 : Math.min(maxComparedBytes, longer(givenBytes, headers));
    const heldBytes = (body.bytes?.length ?? 0) + givenBytes + takenBytes;
    if (!this.reserve(heldBytes)) return this.drop(exchange, shadow.target);
    const given = new Recording(headers, givenBytes, maxComparedBytes);
    return { exchange, body, target: shadow.target, given, takenBytes, heldBytes };
  }

  /** The caller has its answer, or has left: in that case there is nothing to compare with. */
  end(shadow: Shadow, isAnswered: boolean): void {
    const nowMs = performance.now();
    const { target, exchange } = shadow;
    const { maxConnectionsPerNode: maxOutstanding } = this.core.settings;
    const isBusy = target.gate.waitingCount > 0 || target.gate.inFlight >= target.gate.limit;
    const replica =
      isAnswered && !isBusy ? pick(target.replicas, nowMs, this.core.random, { maxOutstanding }) : undefined;
    if (replica) return this.send(shadow, replica);
    this.release(shadow.heldBytes);
    this.drop(exchange, target);
  }

  private send(shadow: Shadow, replica: Replica): void {
    const { exchange, body, target } = shadow;
    const fields = nodeHeaders(exchange, replica, this.core.authorization, target.timeoutMs);
    const { maxComparedBytes } = this.core.settings;
    const { attempt } = new Copy(
      replica,
      target.timeoutMs,
      (headers) => new Recording(headers, shadow.takenBytes, maxComparedBytes),
      (answer) => this.conclude(shadow, answer),
    );
    const options = {
      path: nodePath(replica, exchange.route.operation),
      method: 'POST' as const,
      headers: [...uncompressed(fields), sluiceHeaders.shadow, '1'],
      body: body.bytes,
    };
    dispatchHeld(replica, options, attempt);
  }

  private conclude(shadow: Shadow, taken: Recording | undefined): void {
    // After whatever else waits for this turn of the loop.
    setImmediate(() => void this.report(shadow, taken));
  }

  private async report({ exchange, target, given, heldBytes }: Shadow, taken?: Recording): Promise<void> {
    const { operation, endpoint } = exchange.route;
    const comparison = await this.comparer.compare(async () => {
      const [one, other] = await Promise.all([given.answer(), taken?.answer()]);
      return one && other && { one, other, protocol: protocolOf(operation) };
    });
    this.release(heldBytes);
    this.onResult({
      endpoint,
      version: target.version,
      outcome: taken ? 'answered' : 'failed',
      comparison,
    });
  }

  private reserve(bytes: number): boolean {
    const { maxShadows, maxShadowBytes } = this.core.settings;
    if (this.count >= maxShadows || this.bytes + bytes > maxShadowBytes) return false;
    this.count += 1;
    this.bytes += bytes;
    return true;
  }

  private release(bytes: number): void {
    this.count -= 1;
    this.bytes -= bytes;
  }

  private drop({ route }: Exchange, { version }: TableVersion): undefined {
    this.onResult({ endpoint: route.endpoint, version, outcome: 'dropped', comparison: undefined });
  }
}

const uncompressed = (fields: readonly string[]): string[] =>
  fields.filter((_, i) => fields[i - (i % 2)] !== 'accept-encoding');

/** A copy under way. */
class Copy implements AttemptOwner {
  readonly attempt: Attempt;
  private recording: Recording | undefined;
  private readonly timer: NodeJS.Timeout;

  constructor(
    replica: Replica,
    timeoutMs: number,
    private readonly record: (headers: ResponseHeaders) => Recording,
    private readonly done: (answer: Recording | undefined) => void,
  ) {
    this.attempt = new Attempt(replica, this);
    this.timer = setTimeout(() => this.onLate(), timeoutMs);
  }

  onHeaders(attempt: Attempt, status: number, headers: ResponseHeaders): void {
    if (status === 200) this.recording = this.record(headers);
    else {
      attempt.ignore();
      this.finish(undefined);
    }
  }

  onData(_: Attempt, chunk: Buffer): void {
    this.recording?.add(chunk);
  }

  onEnd(): void {
    this.finish(this.recording);
  }

  onFailure(): void {
    this.finish(undefined);
  }

  private onLate(): void {
    this.attempt.drop();
    this.finish(undefined);
  }

  private finish(answer: Recording | undefined): void {
    clearTimeout(this.timer);
    this.done(answer);
  }
}
