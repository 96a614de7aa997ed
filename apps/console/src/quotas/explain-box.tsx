import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { FormEvent } from 'react';
import type { QuotaExplanation } from '#contracts/quotas';
import { api } from '../api.js';
import { Badge } from '../parts/badge.js';
import { ProblemPanel } from '../parts/problem-panel.js';
import { spanText } from '#wording/text';
import { QuotaBar } from './quota-bar.js';
import { amountText, limitText } from '#wording/quotas';

interface Question {
  readonly client_id: string;
  readonly endpoint?: string;
}
type Standing = QuotaExplanation['quotas'][number];

/** Says why a caller was refused, or that nothing refuses it. */
export function ExplainBox({ nowMs }: { readonly nowMs: number }) {
  const [question, setQuestion] = useState<Question>();
  const answer = useQuery({
    queryKey: ['quotas', 'explain', question],
    queryFn: () => api.quotas.explain({ query: question ?? { client_id: '' } }),
    enabled: question !== undefined,
    refetchInterval: 2_000,
  });
  return (
    <section className="card explain" aria-labelledby="explain-title">
      <h2 id="explain-title">Why was a caller refused?</h2>
      <ExplainForm ask={setQuestion} />
      {answer.error && <ProblemPanel error={answer.error} />}
      {answer.data && !answer.error && <Answer explanation={answer.data} nowMs={nowMs} />}
    </section>
  );
}

function ExplainForm({ ask }: { readonly ask: (question: Question) => void }) {
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [client, endpoint] = [form.get('client_id'), form.get('endpoint')];
    if (typeof client !== 'string' || typeof endpoint !== 'string') return;
    ask({ client_id: client.trim(), ...(endpoint.trim() === '' ? {} : { endpoint: endpoint.trim() }) });
  };
  return (
    <form onSubmit={submit} className="row">
      <label>
        Client
        <input name="client_id" required autoCapitalize="none" spellCheck={false} list="clients" />
      </label>
      <label>
        Endpoint
        <input name="endpoint" placeholder="any" autoCapitalize="none" spellCheck={false} list="endpoints" />
      </label>
      <button type="submit" className="primary">
        Explain
      </button>
      <Suggestions />
    </form>
  );
}

/** Names to choose from, for those who may read them. */
function Suggestions() {
  const clients = useQuery({
    queryKey: ['clients'],
    queryFn: () => api.clients.list({ query: { page_size: 100 } }),
    staleTime: 60_000,
  });
  const endpoints = useQuery({
    queryKey: ['endpoints'],
    queryFn: () => api.endpoints.list({ query: { page_size: 100 } }),
    staleTime: 60_000,
  });
  return (
    <>
      <datalist id="clients">
        {clients.data?.items.map(({ client_id: id }) => (
          <option key={id}>{id}</option>
        ))}
      </datalist>
      <datalist id="endpoints">
        {endpoints.data?.items.map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </datalist>
    </>
  );
}

function Answer({ explanation, nowMs }: { readonly explanation: QuotaExplanation; readonly nowMs: number }) {
  const { client_id: client, team, denied_by: deniedBy, quotas } = explanation;
  return (
    <div className="answer">
      <p aria-live="polite">
        {deniedBy.length > 0 ? <Badge tone="bad">refused</Badge> : <Badge tone="good">admitted</Badge>}{' '}
        <strong>{client}</strong> of team {team}{' '}
        {deniedBy.length > 0 ? `is refused by ${deniedBy.join(' and ')}.` : 'is refused by no quota now.'}
      </p>
      {quotas.length === 0 && <p className="muted">No quota applies.</p>}
      <ul className="counts">
        {quotas.map((standing) => (
          <AnswerRow key={standing.quota.id} standing={standing} nowMs={nowMs} />
        ))}
      </ul>
    </div>
  );
}

function AnswerRow({ standing, nowMs }: { readonly standing: Standing; readonly nowMs: number }) {
  const { quota, state, used, reserved, limit, left, resets_at: at } = standing;
  const reset = at === null ? '' : ` Begins anew in ${spanText(Date.parse(at) - nowMs)}.`;
  return (
    <li className="count">
      <div className="count-head">
        <span className="count-who">{quota.name}</span>
        {state === 'exhausted' && <Badge tone="bad">used up</Badge>}
        {quota.mode === 'shadow' && <Badge tone="accent">shadow: refuses nobody</Badge>}
        <span className="count-sum">{limitText(quota, limit)}</span>
      </div>
      <QuotaBar unit={quota.unit} standing={standing} />
      <p className="muted">
        {amountText(quota.unit, Math.max(0, used))} used, {amountText(quota.unit, reserved)} reserved by
        gateways, {amountText(quota.unit, left)} left.{reset}
      </p>
    </li>
  );
}
