import { type FormEvent, type ReactNode, useState } from "react";
import { client } from "../server/client.ts";
import { logOut } from "../server/log-out.ts";
import { useMe } from "../server/me.ts";
import { inWords } from "../server/query-client.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Section } from "./section.tsx";

export function Account(): ReactNode {
  const { data: me } = useMe();
  const [isErasing, setErasing] = useState(false);
  if (!me) return null;
  const name = me.email ?? me.subject;
  return (
    <Section id="account" title="Account">
      <p className="text-14">
        You are <strong className="font-medium wrap-anywhere">{name}</strong>
        {me.is_admin && ", an admin"}.
      </p>
      <div className="flex flex-wrap gap-2">
        {me.logged_in && <Button onClick={() => void logOut()}>Log out</Button>}
        <Button kind="danger" onClick={() => setErasing(true)}>
          Erase me…
        </Button>
      </div>
      {isErasing && <EraseDialog name={name} onClose={() => setErasing(false)} />}
    </Section>
  );
}

/** For good, so the name is typed. */
function EraseDialog({ name, onClose }: { readonly name: string; readonly onClose: () => void }): ReactNode {
  const [typed, setTyped] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isRunning, setRunning] = useState(false);
  const erase = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setRunning(true);
    try {
      await client.eraseMe();
      await logOut();
    } catch (error) {
      setError(error);
      setRunning(false);
    }
  };
  return (
    <Dialog title="Erase me" onClose={onClose}>
      <form onSubmit={(event) => void erase(event)} className="grid gap-4 text-14">
        <p>
          Every conversation and message of yours leaves for good, on every server, and nobody can bring them back.{" "}
          <a className="text-accent underline" href="/api/me/export" download="backscroll-export.json">
            Export everything first
          </a>
          .
        </p>
        <label className="grid gap-1">
          Type {name} to erase it
          <input
            value={typed}
            onChange={({ target }) => setTyped(target.value)}
            autoComplete="off"
            className="rounded-m border border-control bg-bg px-3 py-2 text-16"
          />
        </label>
        {error !== null && (
          <p role="alert" className="text-err">
            Not erased. {inWords(error)}
          </p>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="danger" type="submit" disabled={typed !== name || isRunning}>
            Erase me
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
