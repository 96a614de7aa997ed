import type { SessionTokens } from '#contracts/people';
import { SluiceError } from '#platform/errors';

/**
 * Where the console learns how a sign-in ended. A fragment stays in the browser: no log and no Referer field sees it. The refresh token
 * in it is good once, and the console uses it at once; of a failure it gets the code only, so that no link can put words on its page.
 */
export const consoleAddress = (finished: Promise<SessionTokens>): Promise<string> =>
  finished.then(
    ({ refresh_token: token }) => `/console/#refresh_token=${encodeURIComponent(token)}`,
    (error: unknown) => {
      if (error instanceof SluiceError) return `/console/#sign_in_error=${error.code}`;
      throw error;
    },
  );
