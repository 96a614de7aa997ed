/** Reads a small JSON body of a call that the gateway answers itself. Never used for predictions. */
import type { z } from 'zod';
import { messageOf } from '#platform/errors';
import { hasBody } from './caller.js';
import type { Core } from './core.js';
import { refusal } from './errors.js';
import type { Exchange } from './exchange.js';
import { lateBody } from './body-limits.js';
import { refuse } from './respond.js';

const maxBytes = 65_536;

/** Gives the parsed body to `then`, or refuses. No body counts as `{}`: stock clients send none. */
export function readJson<T extends z.ZodType>(
  core: Core,
  exchange: Exchange,
  schema: T,
  then: (body: z.output<T>) => void,
): void {
  const { req, res } = exchange;
  if (req.expectsContinue && hasBody(req)) res.writeContinue();
  const timer = setTimeout(() => refuse(exchange, core, lateBody), core.settings.bodyTimeoutMs);
  res.once('close', () => clearTimeout(timer));
  req.readBody({ holdBytes: maxBytes, maxBodyBytes: maxBytes }, (body) => {
    clearTimeout(timer);
    if (res.destroyed) return;
    if (body.kind === 'streamed')
      return refuse(
        exchange,
        core,
        refusal('PAYLOAD_TOO_LARGE', `The body is larger than the ${maxBytes} bytes that this path takes.`),
      );
    const parsed = parse(schema, body.bytes?.toString() ?? '');
    if (typeof parsed === 'string') refuse(exchange, core, refusal('INVALID_REQUEST', parsed));
    else then(parsed.value);
  });
}

function parse<T extends z.ZodType>(schema: T, text: string): { readonly value: z.output<T> } | string {
  try {
    const result = schema.safeParse(text.trim() === '' ? {} : JSON.parse(text));
    if (result.success) return { value: result.data };
    const [issue] = result.error.issues;
    return `The body is not valid: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`;
  } catch (error) {
    return `The body is not valid JSON: ${messageOf(error)}`;
  }
}
