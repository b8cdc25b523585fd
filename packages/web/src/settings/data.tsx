import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useRef } from "react";
import { client } from "../server/client.ts";
import { inWords } from "../server/query-client.ts";
import { Button } from "../ui/button.tsx";
import { Section } from "./section.tsx";

/** Everything out as a file, and back in. */
export function Data(): ReactNode {
  const file = useRef<HTMLInputElement>(null);
  const load = useMutation({ mutationFn: (chosen: File) => client.importConversations(chosen) });
  return (
    <Section id="data" title="Your data">
      <p className="text-14">
        <a className="text-accent underline" href="/api/me/export" download="backscroll-export.json">
          Export everything
        </a>{" "}
        <span className="text-ink2">as one file: every conversation, those in the trash too.</span>
      </p>
      <div className="flex flex-wrap items-center gap-3">
        <input
          ref={file}
          type="file"
          aria-label="Export to import"
          accept="application/json,.json"
          className="sr-only"
          tabIndex={-1}
          onChange={({ target }) => {
            const [chosen] = target.files ?? [];
            if (chosen) load.mutate(chosen);
            // The same file may be chosen again.
            target.value = "";
          }}
        />
        <Button disabled={load.isPending} onClick={() => file.current?.click()}>
          {load.isPending ? "Importing…" : "Import an export…"}
        </Button>
        <span className="text-13 text-ink2">What is there already is skipped.</span>
      </div>
      {load.data && (
        <div role="status" className="text-14">
          {load.data.conversations.created} conversations and {load.data.messages.saved} messages came in;{" "}
          {load.data.messages.skipped} messages were there already.
          {load.data.failed > 0 && (
            <>
              <p className="text-err">{load.data.failed} could not be stored:</p>
              <ul className="list-disc ps-6 text-13">
                {load.data.errors.map(({ conversation_id: id, message_id: messageId, message }) => (
                  <li key={`${id} ${messageId}`}>
                    {id} {messageId}: {message}
                  </li>
                ))}
              </ul>
            </>
          )}
        </div>
      )}
      {load.error && (
        <p role="alert" className="text-14 text-err">
          Not imported. {inWords(load.error)}
        </p>
      )}
    </Section>
  );
}
