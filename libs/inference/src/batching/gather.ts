/** Which of the waiting requests run together next. Pure: no clock, no tensors. */

export interface Candidate {
  /** Requests with equal keys may share an execution; undefined: runs alone. */
  readonly key: string | undefined;
  readonly rows: number;
  /** 1 is the highest; 0, the default, comes after every number (Triton counts its levels the same way from 1). */
  readonly priority: number;
}

const rank = ({ priority }: Candidate): number => (priority === 0 ? Infinity : priority);

/** In the order in which they are served: by priority, then by arrival. Sorting is stable. */
export function inOrder<T extends Candidate>(waiting: Iterable<T>): T[] {
  return [...waiting].sort((a, b) => {
    const [first, second] = [rank(a), rank(b)];
    return first === second ? 0 : first - second;
  });
}

/**
 * The first request and those behind it that may join it, up to `maxRows` rows. A request larger than that runs alone.
 * @param ordered not empty, as {@link inOrder} gives it
 */
export function gather<T extends Candidate>(ordered: readonly T[], maxRows: number): T[] {
  const [first, ...others] = ordered;
  if (!first) return [];
  const members = [first];
  let { rows } = first;
  if (first.key === undefined) return members;
  for (const other of others) {
    if (rows >= maxRows) break;
    if (other.key !== first.key || rows + other.rows > maxRows) continue;
    members.push(other);
    rows += other.rows;
  }
  return members;
}
