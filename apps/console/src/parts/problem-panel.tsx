import { SluiceClientError } from '#client/client';

/** Errors as a person can act on them and an operator can find them: code, message, request id. */
export function ProblemPanel({ error, stale }: { readonly error: unknown; readonly stale?: boolean }) {
  const { code, message, requestId } = partsOf(error);
  return (
    <div className="problem" role="alert">
      <strong>{code}</strong>
      <p>{message}</p>
      {requestId !== undefined && (
        <p className="muted">
          Request <code>{requestId}</code>
        </p>
      )}
      {stale === true && <p className="muted">What is shown below was true before that.</p>}
    </div>
  );
}

function partsOf(error: unknown): { code: string; message: string; requestId: string | undefined } {
  if (!(error instanceof SluiceClientError))
    return {
      code: 'Unexpected',
      message: error instanceof Error ? error.message : String(error),
      requestId: undefined,
    };
  return {
    code: error.code ?? (error.status === 0 ? 'No answer' : `Status ${error.status}`),
    message: error.problem?.detail ?? error.message,
    requestId: error.problem?.request_id,
  };
}
