import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { api } from '../api.js';
import { useLive } from '../live/use-live.js';
import { signOut } from '../session/use-session.js';
import { Logo } from './logo.js';
import { ThemeButton } from './theme-button.js';

const screens = [
  { path: '/overview', title: 'Overview' },
  { path: '/models', title: 'Models' },
  { path: '/quotas', title: 'Quotas' },
  { path: '/activity', title: 'Activity' },
] as const;

/** What is around every screen: where one is, whether it is live, and who one is. */
export function Frame({ children }: { readonly children: ReactNode }) {
  return (
    <>
      <a className="skip" href="#screen">
        Skip to content
      </a>
      <header className="top">
        <span className="brand">
          <Logo /> Sluice
        </span>
        <Navigation />
        <div className="top-end">
          <LiveSign />
          <ThemeButton />
          <Caller />
        </div>
      </header>
      <main id="screen" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

function Navigation() {
  const [location] = useLocation();
  return (
    <nav aria-label="Screens">
      {screens.map(({ path, title }) => (
        <Link
          key={path}
          href={path}
          aria-current={location === path || location.startsWith(`${path}/`) ? 'page' : undefined}
        >
          {title}
        </Link>
      ))}
    </nav>
  );
}

function LiveSign() {
  const { connection } = useLive();
  const text = { connecting: 'Connecting', live: 'Live', polling: 'Polling' }[connection];
  const title = {
    connecting: 'The stream of events is being opened',
    live: 'Changes show as they happen',
    polling: 'The stream of events is broken; this page asks every few seconds until it is back',
  }[connection];
  return (
    <output className={`live live-${connection}`} title={title}>
      {text}
    </output>
  );
}

function Caller() {
  const { data } = useQuery({ queryKey: ['me'], queryFn: () => api.sessions.me(), staleTime: Infinity });
  return (
    <span className="caller">
      <span className="caller-name">{data?.person?.name ?? data?.subject.replace(/^\w+:/, '') ?? ''}</span>
      <button type="button" onClick={() => void signOut()}>
        Sign out
      </button>
    </span>
  );
}
