/** Tells the registry what the data plane saw of credentials: which API tokens were used, and keys that are not known. Nobody waits for it. */
import type { SluiceClient } from '#client/client';
import type { Logger } from '#platform/logger';
import type { Core } from '../data-plane/core.js';

/** A flood of made-up key ids is not passed on; how often the issuer itself is asked, the registry decides. */
const unknownKeyEveryMs = 1_000;
const timeoutMs = 5_000;
/** Of one report. */
const maxIds = 10_000;

export class IdentityReports {
  private readonly timer: NodeJS.Timeout;
  private readonly toldAtMs = new Map<string, number>();

  constructor(
    private readonly core: Core,
    private readonly registry: Pick<SluiceClient, 'apiTokens' | 'issuers'>,
    private readonly logger: Logger,
    everyMs: number,
  ) {
    core.onUnknownKey = (issuer) => void this.unknownKey(issuer);
    this.timer = setInterval(() => void this.reportUses(), everyMs).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.reportUses();
  }

  private async unknownKey(issuer: string): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - (this.toldAtMs.get(issuer) ?? -Infinity) < unknownKeyEveryMs) return;
    this.toldAtMs.set(issuer, nowMs);
    await this.try(() =>
      this.registry.issuers.reportUnknownKey({
        body: { issuer_name: issuer },
        signal: AbortSignal.timeout(timeoutMs),
      }),
    );
  }

  /** What cannot be told is told with the next. */
  private async reportUses(): Promise<void> {
    const ids = [...this.core.usedApiTokens].slice(0, maxIds);
    if (ids.length === 0) return;
    for (const id of ids) this.core.usedApiTokens.delete(id);
    const isTold = await this.try(() =>
      this.registry.apiTokens.reportUse({ body: { ids }, signal: AbortSignal.timeout(timeoutMs) }),
    );
    if (!isTold) for (const id of ids) this.core.usedApiTokens.add(id);
  }

  private async try(call: () => Promise<unknown>): Promise<boolean> {
    try {
      await call();
      return true;
    } catch (error) {
      this.logger.debug({ err: error }, 'the registry could not be told of credentials');
      return false;
    }
  }
}
