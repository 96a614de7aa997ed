/** How large and how late a body may be, and what its caller is told otherwise. */
import type { BodyLimits } from './body.js';
import type { Core } from './core.js';
import { refusal } from './errors.js';
import type { Refusal } from './errors.js';
import type { Exchange } from './exchange.js';

export const lateBody = refusal('REQUEST_TIMEOUT', 'The body did not arrive in time. Try again.');

export const tooLarge = (maxBytes: number): Refusal =>
  refusal('PAYLOAD_TOO_LARGE', `The body is larger than the ${maxBytes} bytes that are taken here.`);

/** Of the endpoint, which are never wider than the gateway's own. */
export const limitsOf = ({ endpoint }: Exchange, { settings }: Core): BodyLimits =>
  endpoint?.limits ?? settings;
