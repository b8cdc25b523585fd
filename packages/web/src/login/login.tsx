import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { client } from "../server/client.ts";
import { inWords, queryClient } from "../server/query-client.ts";
import { Button } from "../ui/button.tsx";

/** Takes a token or a key for the browser's cookie. */
export function Login(): ReactNode {
  const [credential, setCredential] = useState("");
  const login = useMutation({
    mutationFn: () => client.login(credential.trim()),
    onSuccess: () => queryClient.resetQueries(),
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    login.mutate();
  };
  return (
    <main className="grid h-full place-items-center overflow-y-auto p-4">
      <form onSubmit={submit} className="grid w-full max-w-96 gap-4 rounded-l border border-line bg-raise p-6">
        <h1 className="text-20 font-semibold">Log in to Backscroll</h1>
        <label className="grid gap-1 text-14">
          Access token or API key
          <input
            type="password"
            autoComplete="current-password"
            required
            autoFocus
            value={credential}
            onChange={(event) => setCredential(event.target.value)}
            aria-describedby="login-help"
            className="rounded-m border border-control bg-bg px-3 py-2 text-16"
          />
        </label>
        <p id="login-help" className="text-13 text-ink2">
          The token comes from your application or identity provider. An operator makes a key with{" "}
          <code className="font-mono">backscroll key create</code>.
        </p>
        {login.error && (
          <p role="alert" className="text-14 text-err">
            {inWords(login.error)}
          </p>
        )}
        <Button kind="primary" type="submit" disabled={login.isPending}>
          {login.isPending ? "Logging in…" : "Log in"}
        </Button>
      </form>
    </main>
  );
}
