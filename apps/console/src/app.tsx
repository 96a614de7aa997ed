/** What there is on the page: signing in, or the frame with one screen per address. */
import { QueryClientProvider } from '@tanstack/react-query';
import { Redirect, Route, Router, Switch } from 'wouter';
import { ActivityScreen } from './activity/activity-screen.js';
import { queryClient } from './api.js';
import { Frame } from './frame/frame.js';
import { LiveProvider } from './live/live-provider.js';
import { ModelScreen } from './models/model-screen.js';
import { ModelsScreen } from './models/models-screen.js';
import { OverviewScreen } from './overview/overview-screen.js';
import { EmptyState } from './parts/empty-state.js';
import { QuotasScreen } from './quotas/quotas-screen.js';
import { SignInScreen } from './session/sign-in-screen.js';
import { useSession } from './session/use-session.js';

export function App() {
  const state = useSession();
  if (state.kind === 'signed-out') return <SignInScreen notice={state.notice} />;
  return (
    <QueryClientProvider client={queryClient}>
      <LiveProvider>
        <Router base="/console">
          <Frame>
            <Screens />
          </Frame>
        </Router>
      </LiveProvider>
    </QueryClientProvider>
  );
}

function Screens() {
  return (
    <Switch>
      <Route path="/">
        <Redirect to="/overview" replace />
      </Route>
      <Route path="/overview">
        <OverviewScreen />
      </Route>
      <Route path="/models">
        <ModelsScreen />
      </Route>
      <Route path="/models/*">{(params) => <ModelScreen name={params['*']} />}</Route>
      <Route path="/quotas">
        <QuotasScreen />
      </Route>
      <Route path="/activity">
        <ActivityScreen />
      </Route>
      <Route>
        <EmptyState title="There is no such screen">Choose one above.</EmptyState>
      </Route>
    </Switch>
  );
}
