import { useEffect, useState } from 'react';
import type { FormEvent } from 'react';
import { session } from '../api.js';
import { Logo } from '../frame/logo.js';
import { ProblemPanel } from '../parts/problem-panel.js';

type Way = 'password' | 'token';

/** Signs in with a password, or with a token that was made elsewhere. */
export function SignInScreen({ notice }: { readonly notice: string | undefined }) {
  const [way, setWay] = useState<Way>('password');
  return (
    <main className="sign-in">
      <div className="card sign-in-card">
        <h1 className="brand">
          <Logo /> Sluice
        </h1>
        {notice !== undefined && <output>{notice}</output>}
        <div className="choice" role="group" aria-label="How to sign in">
          <WayButton way="password" chosen={way} choose={setWay} text="Password" />
          <WayButton way="token" chosen={way} choose={setWay} text="API token" />
        </div>
        <SignInForm key={way} way={way} />
        <Providers />
      </div>
    </main>
  );
}

interface WayButtonProps {
  readonly way: Way;
  readonly chosen: Way;
  readonly choose: (way: Way) => void;
  readonly text: string;
}

function WayButton({ way, chosen, choose, text }: WayButtonProps) {
  return (
    <button type="button" aria-pressed={way === chosen} onClick={() => choose(way)}>
      {text}
    </button>
  );
}

const textOf = (form: FormData, name: string): string => {
  const value = form.get(name);
  return typeof value === 'string' ? value.trim() : '';
};

const begin = (way: Way, form: FormData): Promise<void> =>
  way === 'password'
    ? session.signInWithPassword(textOf(form, 'login'), textOf(form, 'password'))
    : session.signInWithToken(textOf(form, 'token'));

function SignInForm({ way }: { readonly way: Way }) {
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    begin(way, new FormData(event.currentTarget)).catch((reason: unknown) => {
      setError(reason);
      setBusy(false);
    });
  };
  return (
    <form onSubmit={submit} className="stack">
      {way === 'password' ? <PasswordFields /> : <TokenField />}
      {error !== undefined && <ProblemPanel error={error} />}
      <button type="submit" className="primary" disabled={isBusy}>
        {isBusy ? 'Signing in…' : 'Sign in'}
      </button>
    </form>
  );
}

function PasswordFields() {
  return (
    <>
      <label>
        Login
        <input name="login" autoComplete="username" required autoCapitalize="none" spellCheck={false} />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
    </>
  );
}

function TokenField() {
  return (
    <label>
      API token or access token
      <input name="token" type="password" autoComplete="off" required placeholder="slu_…" />
      <small>Kept in this tab until it is closed. Made by POST /api/v1/api-tokens.</small>
    </label>
  );
}

/** One button for each provider that vouches for people here. */
function Providers() {
  const [names, setNames] = useState<readonly string[]>([]);
  useEffect(() => {
    // Without them one can still sign in by the form, whose errors show.
    session.providers().then(setNames, () => undefined);
  }, []);
  if (names.length === 0) return null;
  return (
    <div className="stack providers">
      {names.map((name) => (
        <button key={name} type="button" onClick={() => session.leaveFor(name)}>
          Sign in with {name}
        </button>
      ))}
    </div>
  );
}
