/**
 * Creations that are safe to repeat. A row beside what was made says that the answer is not out yet; it commits with it, so that not even
 * the death of this process loses it. Never takes an equal request for a repeat while the first one's caller may still be waiting.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Transactions } from '#database/transactions';
import type { WriteContext } from '#database/transactions';
import { SluiceError } from '#platform/errors';
import type { Logger } from '#platform/logger';
import { Inject, Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { LOGGER } from '../config.js';
import type { Caller } from '../http/caller.js';
import type { Exchange } from './exchange.js';

/** The stock MLflow client goes on repeating for about four minutes. */
const unansweredForS = 10 * 60;
const keyedForS = 24 * 60 * 60;
/** An answer is out within milliseconds of the commit. One that is not after this long has lost its process. */
const answerWithinS = 5;
const lookEveryMs = 10;
const sweepEveryMs = 60_000;

export interface Creation<T> {
  readonly make: (tx: WriteContext) => Promise<T>;
  readonly nameOf: (made: T) => string;
  readonly read: (name: string) => Promise<T>;
}

type Outcome =
  | { readonly kind: 'made' | 'repeated'; readonly id: string; readonly made: string }
  | { readonly kind: 'undecided' };

interface Earlier {
  readonly id: string;
  readonly body_sha256: string;
  readonly made: string;
  readonly keyed: boolean;
  readonly is_lost: boolean;
}

@Injectable()
export class Creations {
  #sweptAtMs = 0;

  constructor(
    private readonly transactions: Transactions,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Runs `make` in a transaction, unless the request is the repeat of one whose result is there.
   * @returns what `make` returned, then or now: the name of what it made
   * @throws SluiceError IDEMPOTENCY_KEY_REUSED
   */
  async once(caller: Caller, make: (tx: WriteContext) => Promise<string>): Promise<string> {
    const { exchange } = caller;
    if (exchange === undefined) return this.transactions.write(caller, make);
    exchange.made = exchange.repeated ?? (await this.decide(caller, exchange, make));
    return exchange.made;
  }

  /** The same for what is answered as it was made; a repeat is answered as it is now. */
  async answer<T>(caller: Caller, { make, nameOf, read }: Creation<T>): Promise<T> {
    let answer: T | undefined;
    const name = await this.once(caller, async (tx) => {
      answer = await make(tx);
      return nameOf(answer);
    });
    return answer ?? read(name);
  }

  private async decide(
    caller: Caller,
    exchange: Exchange,
    make: (tx: WriteContext) => Promise<string>,
  ): Promise<string> {
    for (;;) {
      const outcome = await this.transactions.write(caller, (tx) => attempt(tx, exchange, make));
      if (outcome.kind === 'undecided') {
        await pause(lookEveryMs);
        continue;
      }
      if (!exchange.isKeyed) void this.follow(outcome.id, exchange);
      return outcome.made;
    }
  }

  /** Notes what became of the answer. */
  private async follow(id: string, exchange: Exchange): Promise<void> {
    const { manager } = this.transactions.dataSource;
    try {
      const fate = await exchange.fate;
      if (fate === 'lost') await manager.query('UPDATE creations SET lost = true WHERE id = $1', [id]);
      else await manager.query('DELETE FROM creations WHERE id = $1', [id]);
      if (Date.now() - this.#sweptAtMs < sweepEveryMs) return;
      this.#sweptAtMs = Date.now();
      await manager.query('DELETE FROM creations WHERE expires_at < now()');
    } catch (error) {
      this.logger.warn(
        { err: error },
        'what became of an answer could not be noted; its row expires by itself',
      );
    }
  }
}

/** Equal requests go one after the other, so that the second sees what the first has committed. */
async function attempt(
  tx: WriteContext,
  exchange: Exchange,
  make: (tx: WriteContext) => Promise<string>,
): Promise<Outcome> {
  const { fingerprint } = exchange;
  const { manager } = tx;
  await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [fingerprint]);
  const [earlier] = await manager.query<Earlier[]>(
    `SELECT id, body_sha256, made, keyed, lost OR made_at < now() - $2 * interval '1 second' AS is_lost FROM creations
     WHERE fingerprint = $1 AND expires_at > now() ORDER BY is_lost DESC, id LIMIT 1`,
    [fingerprint, answerWithinS],
  );
  if (earlier === undefined) return insert(tx, exchange, make);
  const { id, made } = earlier;
  if (earlier.keyed) {
    if (earlier.body_sha256 === exchange.bodySha256) return { kind: 'repeated', id, made };
    throw new SluiceError(
      'IDEMPOTENCY_KEY_REUSED',
      'This Idempotency-Key was used with another body. Use a new key for another request.',
    );
  }
  if (!earlier.is_lost) return { kind: 'undecided' };
  await manager.query('UPDATE creations SET lost = false, made_at = now() WHERE id = $1', [id]);
  return { kind: 'repeated', id, made };
}

async function insert(
  tx: WriteContext,
  exchange: Exchange,
  make: (tx: WriteContext) => Promise<string>,
): Promise<Outcome> {
  const made = await make(tx);
  const id = uuidv7();
  const keptForS = exchange.isKeyed ? keyedForS : unansweredForS;
  await tx.manager.query(
    `INSERT INTO creations (id, fingerprint, body_sha256, made, keyed, made_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, now(), now() + $6 * interval '1 second')`,
    [id, exchange.fingerprint, exchange.bodySha256, made, exchange.isKeyed, keptForS],
  );
  return { kind: 'made', id, made };
}
