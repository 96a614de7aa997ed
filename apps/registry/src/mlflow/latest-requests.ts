/**
 * The last request of each caller. The stock client sends no key; but what it sends again is its very next request, while whoever asks for
 * a second run or version has asked for something else in between, or at another millisecond. Kept in this process only: it is never
 * needed for what was lost together with its answer.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { beginExchange } from '../creations/exchange.js';
import { parseIdempotencyKey } from '../creations/idempotency-key.js';
import type { Caller } from '../http/caller.js';
import type { Operation } from './operation.js';

interface Latest {
  readonly fingerprint: string;
  /** Its caller sends several at a time, so that an equal one may be another thread's. */
  readonly isParallel: boolean;
  isOver: boolean;
  /** Set once its answer is out, or when it was a repeat itself. */
  made?: string | undefined;
}

const maxCallers = 10_000;
const notCreating: Latest = { fingerprint: '', isParallel: false, isOver: true };

export class LatestRequests {
  /** By caller and program, the longest silent first. */
  readonly #latest = new Map<string, Latest>();

  /** @returns the caller, with the exchange if the request creates something */
  note(
    { creates, method }: Pick<Operation, 'creates' | 'method'>,
    raw: Readonly<Record<string, unknown>>,
    request: FastifyRequest,
    reply: FastifyReply,
    caller: Caller,
  ): Caller {
    const program = request.headers['user-agent'] ?? '';
    const name = `${caller.subject} ${program}`;
    if (creates === undefined) {
      this.#put(name, notCreating);
      return caller;
    }
    const key = parseIdempotencyKey(request.headers['idempotency-key']);
    const { subject } = caller;
    const exchange = beginExchange({ subject, method, path: request.url, body: raw, key }, reply.raw);
    const last = this.#latest.get(name) ?? notCreating;
    const isEqual = last.fingerprint === exchange.fingerprint;
    const isParallel = !last.isOver || (isEqual && last.isParallel);
    if (isEqual && !isParallel && creates(raw, program.startsWith('mlflow-python-client/')))
      exchange.repeated = last.made;
    const { fingerprint, repeated } = exchange;
    const latest: Latest = { fingerprint, isParallel, isOver: false, made: repeated };
    this.#put(name, latest);
    void exchange.fate.then((fate) => {
      latest.isOver = true;
      if (fate === 'answered') latest.made = exchange.made;
    });
    return { ...caller, exchange };
  }

  #put(name: string, latest: Latest): void {
    this.#latest.delete(name);
    this.#latest.set(name, latest);
    const [longestSilent] = this.#latest.keys();
    if (this.#latest.size > maxCallers && longestSilent !== undefined) this.#latest.delete(longestSilent);
  }
}
