/** What becomes of a delivery after an attempt. Pure: time and chance are passed in. */

/** Waits before the second, third, … attempt: quick at first, then for a day in all. */
const waitsS = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800];
export const maxAttempts = waitsS.length + 1;

export type Attempt =
  | { readonly kind: 'answered'; readonly status: number }
  | { readonly kind: 'unanswered'; readonly reason: string };

export type Outcome =
  | { readonly state: 'DELIVERED' }
  | { readonly state: 'PENDING'; readonly waitMs: number }
  | { readonly state: 'FAILED' };

/** Its receiver is gone for good (RFC 9110 §15.5.11): trying again is a nuisance. */
const gone = 410;

/**
 * @param attempts made so far, this one among them
 * @param chance from [0, 1): waits differ by up to a fifth, so that what failed together does not return together
 */
export function settle(attempt: Attempt, attempts: number, chance: number): Outcome {
  const status = attempt.kind === 'answered' ? attempt.status : undefined;
  if (status !== undefined && status >= 200 && status < 300) return { state: 'DELIVERED' };
  const waitS = waitsS[attempts - 1];
  if (status === gone || waitS === undefined) return { state: 'FAILED' };
  return { state: 'PENDING', waitMs: Math.round(waitS * 1_000 * (0.9 + chance * 0.2)) };
}

/** For the log of deliveries; nothing when the attempt succeeded. */
export function reasonOf(attempt: Attempt): string | null {
  if (attempt.kind === 'unanswered') return attempt.reason.slice(0, 500);
  if (attempt.status >= 300 && attempt.status < 400)
    return `It answered ${attempt.status}; redirections are not followed.`;
  return attempt.status < 300 ? null : `It answered ${attempt.status}.`;
}
