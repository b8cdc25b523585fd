import { QueryClientProvider } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useEffect } from "react";
import { Redirect, Route, Switch } from "wouter";
import { Login } from "./login/login.tsx";
import { startChangeFeed } from "./server/change-feed.ts";
import { useMe } from "./server/me.ts";
import { queryClient } from "./server/query-client.ts";
import { Shell } from "./shell/shell.tsx";
import { ChatPage } from "./thread/chat-page.tsx";
import { Announcer } from "./ui/announcer.tsx";
import { Delayed } from "./ui/delayed.tsx";
import { FailureRow } from "./ui/failure-row.tsx";
import { loadPart } from "./ui/load-part.ts";
import { Toasts } from "./ui/toasts.tsx";

const SearchPage = lazy(async () => ({
  default: (await loadPart(() => import("./search/search-page.tsx"))).SearchPage,
}));
const SettingsPage = lazy(async () => ({
  default: (await loadPart(() => import("./settings/settings-page.tsx"))).SettingsPage,
}));
const OperatorPage = lazy(async () => ({
  default: (await loadPart(() => import("./operator/operator-page.tsx"))).OperatorPage,
}));

export function App(): ReactNode {
  return (
    <QueryClientProvider client={queryClient}>
      <WhoAsks />
      <Toasts />
      <Announcer />
    </QueryClientProvider>
  );
}

function WhoAsks(): ReactNode {
  const { data: me, error, refetch } = useMe();
  if (me === null) return <Login />;
  if (me === undefined && error)
    return <FailureRow what="Couldn't reach Backscroll." error={error} onRetry={() => void refetch()} />;
  if (me === undefined) return <Delayed>Connecting…</Delayed>;
  return <Pages />;
}

function Pages(): ReactNode {
  useEffect(startChangeFeed, []);
  return (
    <Shell>
      <Suspense fallback={<Delayed>Loading…</Delayed>}>
        <Switch>
          <Route path="/">
            <ChatPage key="new" conversationId={null} />
          </Route>
          <Route path="/c/:id">{({ id }) => <ChatPage key={id} conversationId={id} />}</Route>
          <Route path="/search" component={SearchPage} />
          <Route path="/settings" component={SettingsPage} />
          <Route path="/operator" component={OperatorPage} />
          <Route>
            <Redirect to="/" replace />
          </Route>
        </Switch>
      </Suspense>
    </Shell>
  );
}
