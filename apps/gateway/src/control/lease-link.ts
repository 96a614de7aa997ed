/**
 * Carries the lease desk's calls to the registry: one at a time, each with all that has come together since the last, and each
 * sent again as it was until it is answered. Gives everything back at the end.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { backoffMs, pause, registryBackoff } from '#client/backoff';
import { SluiceClientError } from '#client/client';
import type { LeaseAnswer, LeaseCall } from '#contracts/quotas';
import type { Logger } from '#platform/logger';
import type { LeaseDesk } from '#quota/lease-desk';

export interface LeaseLinkOptions {
  readonly call: (body: LeaseCall, signal: AbortSignal) => Promise<LeaseAnswer>;
  /** The longest that a request can last. */
  readonly holdMs: number;
  readonly logger: Logger;
}

const tickMs = 1_000;
/** Callers wait meanwhile. */
const callTimeoutMs = 1_000;
const farewellMs = 2_000;

export class LeaseLink {
  private holder = uuidv7();
  private sequence = 0;
  private calling: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly stop = new AbortController();

  constructor(
    private readonly desk: LeaseDesk,
    private readonly options: LeaseLinkOptions,
  ) {}

  start(): void {
    this.desk.onDemand = () => this.kick();
    this.timer = setInterval(() => this.desk.tick(performance.now()), tickMs);
    this.timer.unref();
  }

  /** Reports what was spent and gives back the rest, if the registry can be reached. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    this.desk.onDemand = () => undefined;
    const timer = setTimeout(() => this.stop.abort(), farewellMs);
    await this.calling;
    this.desk.giveBackAll(performance.now());
    while (this.desk.hasDemand && !this.desk.unreachable) await this.send(this.nextCall());
    clearTimeout(timer);
    this.stop.abort();
  }

  private kick(): void {
    if (this.calling || this.stop.signal.aborted) return;
    this.calling = this.round().finally(() => {
      this.calling = undefined;
      if (this.desk.hasDemand) this.desk.onDemand();
    });
  }

  private async round(): Promise<void> {
    // Requests that arrive together share one call.
    await nextTurn();
    const call = this.nextCall();
    const { signal } = this.stop;
    for (let failures = 1; !(await this.send(call)) && !signal.aborted; failures += 1)
      await pause(backoffMs(registryBackoff, failures, Math.random), signal);
  }

  private nextCall(): LeaseCall {
    this.sequence += 1;
    const items = this.desk.collect(performance.now());
    return { holder: this.holder, sequence: this.sequence, hold_ms: this.options.holdMs, items };
  }

  /** @returns whether the call is over */
  private async send(call: LeaseCall): Promise<boolean> {
    const { desk } = this;
    const sentMs = performance.now();
    try {
      const signal = AbortSignal.any([this.stop.signal, AbortSignal.timeout(callTimeoutMs)]);
      const answer = await this.options.call(call, signal);
      desk.apply(call.items, answer, sentMs, performance.now());
      return true;
    } catch (error) {
      if (error instanceof SluiceClientError && error.code === 'LEASE_LOST') {
        this.begin();
        return true;
      }
      if (!desk.unreachable) this.options.logger.warn({ err: error }, 'quota leases cannot be renewed');
      desk.fail(performance.now());
      return false;
    }
  }

  /** The registry has ended the leases of this holder: it goes on as another one, with nothing. */
  private begin(): void {
    this.holder = uuidv7();
    this.sequence = 0;
    this.desk.loseAll(performance.now());
  }
}
