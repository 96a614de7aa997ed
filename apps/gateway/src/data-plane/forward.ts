/**
 * Sends an admitted request to a replica and its answer to the caller. At most one retry, on another replica when there is one,
 * only while no byte of an answer has arrived and the body can be sent again, within the deadline and the retry budget. Where an
 * endpoint hedges, a second replica is asked when the first takes unusually long: that is the one retry, and the first answer counts.
 */
import { codeHeader } from '#contracts/errors';
import { sluiceHeaders } from '#contracts/oip';
import { outcomeOf } from './outcome-code.js';
import { Attempt } from './attempt.js';
import type { AttemptOwner, ResponseHeaders } from './attempt.js';
import { BodyTooLargeError } from './body.js';
import type { Body } from './body.js';
import { lateBody, limitsOf, tooLarge } from './body-limits.js';
import type { Core } from './core.js';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';
import type { Exchange } from './exchange.js';
import type { Visitor } from './gate.js';
import { nodeHeaders, nodePath, timeoutMsOf } from './node-request.js';
import { noteTiming } from './node-timing.js';
import { joinedBytes } from './outbox.js';
import { pick } from './pick.js';
import type { Wish } from './pick.js';
import { refuse, writeAnswerHead } from './respond.js';
import { currentOf, reroute } from './reroute.js';
import { isPrediction } from './routes.js';
import type { TableVersion } from './routing-table.js';
import type { Shadow } from './shadow.js';
import { dispatchAlone, dispatchHeld } from './upstreams.js';
import type { Replica } from './upstreams.js';
import { isNodeTrouble, isRelayed, judge, neverConnected, nobodyServes, troubleAtNode } from './verdict.js';

/** Reads the body and forwards the request. */
export function forward(core: Core, exchange: Exchange, version: TableVersion): void {
  new Forwarding(core, exchange, version).start();
}

class Forwarding implements AttemptOwner, Visitor {
  isInside = false;
  private body: Body | undefined;
  private attempt: Attempt | undefined;
  /** Asked before `attempt`, and not given up yet. */
  private slow: Attempt | undefined;
  private hedging: NodeJS.Timeout | undefined;
  private shadow: Shadow | undefined;
  private retried = false;
  /** What the answer's Content-Length still announces; undefined when it announces nothing. */
  private bytesLeft: number | undefined;
  /** Bytes of the body have been written. */
  private hasBegun = false;
  private readonly deadlineMs: number;
  private timer: NodeJS.Timeout;

  constructor(
    private readonly core: Core,
    private readonly exchange: Exchange,
    private version: TableVersion,
  ) {
    const timeoutMs = timeoutMsOf(exchange.req, version, core.settings.maxTimeoutMs);
    this.deadlineMs = exchange.arrivedMs + timeoutMs;
    this.timer = setTimeout(() => this.onTimer(), Math.min(timeoutMs, core.settings.bodyTimeoutMs));
    exchange.onClosed = () => this.close();
  }

  start(): void {
    const { exchange, core } = this;
    if (exchange.req.expectsContinue) exchange.res.writeContinue();
    if (!isPrediction(exchange.route.operation)) return this.onBody({ kind: 'held', bytes: undefined });
    exchange.req.readBody(limitsOf(exchange, core), (body) => this.onBody(body));
  }

  onHeaders(attempt: Attempt, status: number, headers: ResponseHeaders): void {
    const code = headers[codeHeader];
    this.judge(attempt.replica, status, code);
    if (isNodeTrouble(status)) {
      if (this.leavesRival(attempt)) return attempt.ignore();
      if (this.retry(attempt.replica, false)) return attempt.ignore();
      if (!isRelayed(status)) {
        attempt.ignore();
        return this.refuse(troubleAtNode(status));
      }
    }
    this.settleOn(attempt);
    this.exchange.outcome = outcomeOf(status, code);
    this.exchange.replica = attempt.replica;
    this.exchange.answeredMs = attempt.answeredMs;
    noteTiming(this.exchange, headers[sluiceHeaders.timing]);
    const length = headers['content-length'];
    this.bytesLeft =
      typeof length === 'string' && this.exchange.req.method !== 'HEAD' ? Number(length) : undefined;
    if (this.exchange.endpoint?.routes.shadow)
      this.shadow = this.core.shadows.sample(this.exchange, status, headers);
    writeAnswerHead(this.exchange, this.core, attempt.replica, status, headers);
  }

  onData(attempt: Attempt, chunk: Buffer): void {
    const { res } = this.exchange;
    this.exchange.answerBytes += chunk.length;
    this.shadow?.given.add(chunk);
    if (this.bytesLeft !== undefined && (this.bytesLeft -= chunk.length) === 0) {
      // Latin-1 maps each byte to one character and back. A string leaves with its head in one cheap write, not in a gathered one.
      if (!this.hasBegun && chunk.length <= joinedBytes) res.end(chunk.toString('latin1'), 'latin1');
      else res.end(chunk);
      return;
    }
    this.hasBegun = true;
    if (res.write(chunk)) return;
    attempt.pause();
    res.once('drain', () => attempt.resume());
  }

  onEnd(): void {
    this.exchange.res.end();
  }

  onFailure(attempt: Attempt, error: Error): void {
    const { res } = this.exchange;
    if (error instanceof BodyTooLargeError)
      return this.refuse(tooLarge(limitsOf(this.exchange, this.core).maxBodyBytes));
    this.judge(attempt.replica, 502);
    if (res.headersSent) {
      // The caller must see that the answer is cut off (RFC 9112 §8).
      this.exchange.outcome = 'UPSTREAM_FAILED';
      res.destroy();
      return;
    }
    if (this.leavesRival(attempt)) return;
    if (!attempt.answered && this.retry(attempt.replica, !neverConnected(error))) return;
    this.core.logger.warn(
      { err: error, node: attempt.replica.address, request_id: this.exchange.requestId },
      'node failed',
    );
    this.refuse(refusal('UPSTREAM_FAILED', 'The node broke off before it answered. Try again.'));
  }

  private onBody(body: Body): void {
    // A whole body may come out of the parser after its caller has gone.
    if (this.exchange.res.destroyed) return;
    this.body = body;
    this.exchange.body = body;
    this.enter();
  }

  private enter(): void {
    if (isPrediction(this.exchange.route.operation)) this.version.gate.enter(this);
    else this.onEntered();
  }

  onEntered(): void {
    const current = currentOf(this.version, this.exchange, this.core);
    if (current?.ready !== true) {
      const other = reroute(this.exchange, this.core);
      if (other) return this.goTo(other);
    }
    const nowMs = performance.now();
    this.core.retryBudget.request(nowMs);
    const { replicas } = current ?? this.version;
    const replica = pick(replicas, nowMs, this.core.random, this.wish());
    if (replica) {
      this.send(replica, nowMs, false);
      if (this.exchange.endpoint?.hedge === true) this.planHedge();
      return;
    }
    if (replicas.length > 0) return this.onTurnedAway();
    this.refuse(nobodyServes(this.version));
  }

  private replicas(): readonly Replica[] {
    return (currentOf(this.version, this.exchange, this.core) ?? this.version).replicas;
  }

  /** From the gate of one version to that of another. */
  private goTo(version: TableVersion): void {
    this.version.gate.leave(this, undefined);
    this.version = version;
    this.enter();
  }

  private wish(not?: Replica): Wish {
    const maxOutstanding = this.core.settings.maxConnectionsPerNode;
    return not ? { maxOutstanding, not } : { maxOutstanding };
  }

  private send(replica: Replica, nowMs: number, alone: boolean): void {
    const { body, exchange, core } = this;
    const { operation } = exchange.route;
    const headers = nodeHeaders(exchange, replica, core.authorization, this.deadlineMs - nowMs);
    if (body?.kind === 'streamed' && body.contentLength !== undefined)
      headers.push('content-length', body.contentLength);
    if (exchange.sentMs === 0) exchange.sentMs = nowMs;
    this.attempt = new Attempt(replica, this);
    const path = nodePath(replica, operation);
    const method = isPrediction(operation) ? 'POST' : exchange.req.method === 'HEAD' ? 'HEAD' : 'GET';
    // Spread objects would be made in V8's old generation: garbage of each request that only a long collection removes.
    if (body?.kind !== 'streamed' && !alone)
      return dispatchHeld(replica, { path, method, headers, body: body?.bytes }, this.attempt);
    const sent = body?.kind === 'streamed' ? asBody(body.chunks()) : (body?.bytes ?? null);
    if (alone) dispatchAlone(replica, { path, method, headers, body: sent }, this.attempt);
    else replica.pool.dispatch({ path, method, headers, body: sent }, this.attempt);
  }

  /** Only bodies that can be sent twice, and only once it is known what takes long. */
  private planHedge(): void {
    const afterMs = this.version.gate.usualMs();
    if (afterMs === undefined || this.body?.kind !== 'held') return;
    this.hedging = setTimeout(() => this.hedge(), afterMs);
  }

  private hedge(): void {
    const { attempt, core } = this;
    if (!attempt || this.retried) return;
    const nowMs = performance.now();
    const replica = pick(this.replicas(), nowMs, core.random, this.wish(attempt.replica));
    if (!replica || !core.retryBudget.tryRetry(nowMs)) return;
    this.retried = true;
    core.counters.hedges += 1;
    this.slow = attempt;
    this.send(replica, nowMs, false);
  }

  /** The attempt has failed while another is under way, which is waited for alone from now on. */
  private leavesRival(failed: Attempt): boolean {
    if (!this.slow) return false;
    if (failed === this.attempt) this.attempt = this.slow;
    this.slow = undefined;
    return true;
  }

  /** The caller gets this one's answer; the other is broken off. */
  private settleOn(attempt: Attempt): void {
    clearTimeout(this.hedging);
    if (!this.slow) return;
    const loser = attempt === this.slow ? this.attempt : this.slow;
    this.attempt = attempt;
    this.slow = undefined;
    loser?.lose();
  }

  /** Sends again if that is allowed and useful. After a reset that may be to the same replica; on a new connection in any case. */
  private retry(from: Replica, wasReset: boolean): boolean {
    const { body, core } = this;
    if (this.retried || body === undefined || (body.kind === 'streamed' && body.taken)) return false;
    const nowMs = performance.now();
    if (nowMs >= this.deadlineMs) return false;
    const replica =
      pick(this.replicas(), nowMs, core.random, this.wish(from)) ?? (wasReset ? from : undefined);
    if (!replica || !core.retryBudget.tryRetry(nowMs)) return false;
    this.retried = true;
    core.counters.retries += 1;
    this.send(replica, nowMs, wasReset);
    return true;
  }

  private judge(replica: Replica, status: number, code?: string | string[]): void {
    judge(this.core, replica, this.replicas(), status, code);
  }

  onTurnedAway(): void {
    this.refuse(
      refusal('OVERLOADED', `Too many requests wait for version ${this.version.label} now. Try again.`),
    );
  }

  /** The body had its time. If it used it well, the rest until the deadline is the node's. */
  private onTimer(): void {
    const leftMs = this.deadlineMs - performance.now();
    if (this.body && leftMs > 1) this.timer = setTimeout(() => this.onDeadline(), leftMs);
    else this.onDeadline();
  }

  private onDeadline(): void {
    const { attempt, exchange } = this;
    this.breakOff();
    if (exchange.res.headersSent) {
      exchange.outcome = 'DEADLINE_EXCEEDED';
      exchange.res.destroy();
    } else if (attempt) {
      this.judge(attempt.replica, 504);
      this.refuse(refusal('DEADLINE_EXCEEDED', 'The node did not answer in time.'));
    } else if (this.body) this.onTurnedAway();
    else this.refuse(lateBody);
  }

  private breakOff(): void {
    this.attempt?.drop();
    this.slow?.drop();
  }

  private refuse(reason: Refusal): void {
    clearTimeout(this.timer);
    clearTimeout(this.hedging);
    refuse(this.exchange, this.core, reason);
  }

  private close(): void {
    clearTimeout(this.timer);
    clearTimeout(this.hedging);
    const { exchange } = this;
    if (!exchange.res.writableFinished) this.breakOff();
    if (this.shadow)
      this.core.shadows.end(this.shadow, exchange.outcome === 'OK' && exchange.res.writableFinished);
    const isMeasured = exchange.outcome === 'OK' && exchange.answeredMs > 0;
    this.version.gate.leave(this, isMeasured ? exchange.answeredMs - exchange.sentMs : undefined);
  }
}

/** undici takes async iterables; its types do not say so. */
const asBody = (chunks: AsyncGenerator<Buffer>): never => chunks as never;
