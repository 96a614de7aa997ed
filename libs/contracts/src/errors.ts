/**
 * The one table of errors. Every failure that a caller can see has a row here: its HTTP status, the public title and
 * whether the same request may succeed when it is sent again. Codes are stable; never reuse or rename one.
 */
import { z } from 'zod';

interface ErrorRow {
  readonly status: number;
  readonly title: string;
  readonly retryable: boolean;
}

const row = (status: number, title: string, retryable = false): ErrorRow => ({ status, title, retryable });

export const errorTable = {
  INVALID_REQUEST: row(400, 'The request is not valid'),
  INVALID_JSON: row(400, 'The body is not valid JSON'),
  INVALID_TENSOR: row(400, 'An input tensor does not fit the signature'),
  DIGEST_MISMATCH: row(400, 'The bytes do not match the announced digest'),
  INVALID_GRANT: row(400, 'The refresh token or code is not good any more'),
  CONFIRMATION_REQUIRED: row(400, 'The name must be typed to confirm'),
  ATTESTATION_INVALID: row(400, 'The signature is not one over the manifest'),
  UPLOAD_INCOMPLETE: row(400, 'The upload ended before it was complete'),
  UNAUTHENTICATED: row(401, 'A valid token is needed'),
  INVALID_CLIENT: row(401, 'The client id or secret is wrong'),
  INVALID_CREDENTIALS: row(401, 'The login or password is wrong'),
  FORBIDDEN: row(403, 'The token does not allow this'),
  ALIAS_PROTECTED: row(403, 'The alias is protected'),
  CLIENT_DISABLED: row(403, 'The client is disabled'),
  PERSON_DISABLED: row(403, 'The person is disabled'),
  NOT_FOUND: row(404, 'There is nothing at this address'),
  MODEL_NOT_FOUND: row(404, 'The model does not exist'),
  VERSION_NOT_FOUND: row(404, 'The version does not exist'),
  ALIAS_NOT_FOUND: row(404, 'The alias does not exist'),
  ENDPOINT_NOT_FOUND: row(404, 'The endpoint does not exist'),
  ARTIFACT_NOT_FOUND: row(404, 'The artifact does not exist'),
  RUN_NOT_FOUND: row(404, 'The run does not exist'),
  EXPERIMENT_NOT_FOUND: row(404, 'The experiment does not exist'),
  STUDY_NOT_FOUND: row(404, 'The study does not exist'),
  NODE_NOT_FOUND: row(404, 'The node does not exist'),
  CLIENT_NOT_FOUND: row(404, 'The client does not exist'),
  API_TOKEN_NOT_FOUND: row(404, 'The API token does not exist'),
  PROVIDER_NOT_FOUND: row(404, 'The sign-in provider does not exist'),
  ISSUER_NOT_FOUND: row(404, 'The issuer does not exist'),
  PERSON_NOT_FOUND: row(404, 'The person does not exist'),
  TEAM_NOT_FOUND: row(404, 'The team does not exist'),
  QUOTA_NOT_FOUND: row(404, 'The quota does not exist'),
  QUOTA_OVERRIDE_NOT_FOUND: row(404, 'The override does not exist or is over'),
  USAGE_EXPORT_NOT_FOUND: row(404, 'Usage is not sent anywhere'),
  WEBHOOK_NOT_FOUND: row(404, 'The webhook does not exist'),
  DELIVERY_NOT_FOUND: row(404, 'The delivery does not exist'),
  KEY_NOT_FOUND: row(404, 'The key does not exist'),
  UPLOAD_NOT_FOUND: row(404, 'The upload does not exist'),
  METHOD_NOT_ALLOWED: row(405, 'The method is not allowed here'),
  REQUEST_TIMEOUT: row(408, 'The request did not arrive in time', true),
  ALREADY_EXISTS: row(409, 'It exists already'),
  VERSION_NOT_READY: row(409, 'The version is not ready to serve'),
  VERSION_IN_USE: row(409, 'The version still gets traffic'),
  ARTIFACT_CORRUPT: row(409, 'The stored bytes are not what was uploaded'),
  VERSION_NOT_SIGNED: row(409, 'Only signed versions may be released'),
  NOT_ARCHIVED: row(409, 'It is not archived'),
  MODEL_ARCHIVED: row(409, 'The model is archived'),
  RUN_FINISHED: row(409, 'The run is finished'),
  LOG_CONFLICT: row(409, 'The lines do not continue the log'),
  PARAM_CONFLICT: row(409, 'The parameter has another value already'),
  UPLOAD_NOT_FINISHED: row(409, 'Bytes of the upload are still missing'),
  UPLOAD_CONFLICT: row(409, 'The upload is in another state'),
  LEASE_LOST: row(409, 'The lease is not held any more'),
  UPLOAD_EXPIRED: row(410, 'The upload has expired'),
  PRECONDITION_FAILED: row(412, 'It has been changed by someone else'),
  PAYLOAD_TOO_LARGE: row(413, 'The body is too large'),
  UNSUPPORTED_MEDIA_TYPE: row(415, 'The content type is not supported'),
  RANGE_NOT_SATISFIABLE: row(416, 'The range lies outside the artifact'),
  IDEMPOTENCY_KEY_REUSED: row(422, 'The Idempotency-Key belongs to another request'),
  PRECONDITION_REQUIRED: row(428, 'An If-Match header is needed'),
  TOO_MANY_ATTEMPTS: row(429, 'Too many attempts to sign in', true),
  QUOTA_EXCEEDED: row(429, 'A quota is used up', true),
  HEADERS_TOO_LARGE: row(431, 'The request headers are too large'),
  INTERNAL: row(500, 'Something failed inside Sluice'),
  NOT_SUPPORTED: row(501, 'Sluice does not do this'),
  RUNNER_FAILED: row(500, 'The model failed to run'),
  PROVIDER_FAILED: row(502, 'The sign-in provider did not vouch for anyone'),
  UPSTREAM_FAILED: row(502, 'The node did not answer properly', true),
  NO_TRAFFIC: row(503, 'The endpoint has no version released'),
  NO_READY_REPLICA: row(503, 'No replica is ready for this version', true),
  RUNNER_CRASHED: row(503, 'The runner died while it worked on the request', true),
  QUOTA_UNAVAILABLE: row(503, 'What is left of a quota cannot be found out', true),
  OVERLOADED: row(503, 'Too many requests are waiting', true),
  DRAINING: row(503, 'This process is shutting down', true),
  NOT_READY: row(503, 'This process is not ready yet', true),
  REGISTRY_UNAVAILABLE: row(503, 'The registry cannot be reached', true),
  DATABASE_UNAVAILABLE: row(503, 'The database cannot be reached', true),
  DEADLINE_EXCEEDED: row(504, 'The answer did not come before the deadline', true),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

export const ErrorCodeSchema = z.enum(Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]]);

/** RFC 9457 problem details with Sluice's stable `code`; served as `application/problem+json`. */
export const Problem = z
  .object({
    type: z.string().describe('A URI reference that names the kind of problem'),
    title: z.string(),
    status: z.int(),
    code: ErrorCodeSchema,
    detail: z.string().describe('What happened, and what to do'),
    retryable: z.boolean(),
    request_id: z.string().optional(),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('One row per invalid field'),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

/** The header in which the inference paths carry the stable code beside their protocol's own error body. */
export const codeHeader = 'x-sluice-code';
