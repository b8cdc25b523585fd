import { useMutation } from "@tanstack/react-query";
import type { ImportResult } from "backscroll-client";
import { type DragEvent, type ReactNode, useRef, useState } from "react";
import { uploadExport } from "../server/import-upload.ts";
import { inWords } from "../server/query-client.ts";
import { Button } from "../ui/button.tsx";
import { classNames } from "../ui/class-names.ts";
import { Section } from "./section.tsx";

/** Everything out as a file, and back in. */
export function Data(): ReactNode {
  return (
    <Section id="data" title="Your data">
      <p className="text-14">
        <a className="text-accent underline" href="/api/me/export" download="backscroll-export.json">
          Export everything
        </a>{" "}
        <span className="text-ink2">as one file: every conversation, those in the trash too.</span>
      </p>
      <Import />
    </Section>
  );
}

/** A file that is chosen, or dropped here. */
function Import(): ReactNode {
  const field = useRef<HTMLInputElement>(null);
  const stop = useRef<AbortController>(null);
  const [isOver, setOver] = useState(false);
  const [share, setShare] = useState(0);
  const { mutate, data, error, isPending } = useMutation({
    mutationFn: (file: File) => {
      stop.current = new AbortController();
      setShare(0);
      return uploadExport(file, { signal: stop.current.signal, onProgress: setShare });
    },
  });
  const take = (file: File | undefined): void => {
    if (file && !isPending) mutate(file);
  };
  const onDrag = (event: DragEvent): void => {
    event.preventDefault();
    setOver(event.type === "dragover");
    if (event.type === "drop") take(event.dataTransfer.files[0]);
  };
  const isCancelled = error !== null && stop.current?.signal.aborted === true;
  return (
    <div
      onDragOver={onDrag}
      onDragLeave={onDrag}
      onDrop={onDrag}
      className={classNames(
        "grid gap-3 rounded-m border border-dashed p-4",
        isOver ? "border-accent bg-soft" : "border-control",
      )}
    >
      <div className="flex flex-wrap items-center gap-3">
        <input
          ref={field}
          type="file"
          aria-label="Export to import"
          accept="application/json,.json"
          className="sr-only"
          tabIndex={-1}
          onChange={({ target }) => {
            take(target.files?.[0]);
            // The same file may be chosen again.
            target.value = "";
          }}
        />
        <Button disabled={isPending} onClick={() => field.current?.click()}>
          Import an export…
        </Button>
        <span className="text-13 text-ink2">Or drop it here. What is there already is skipped.</span>
      </div>
      {isPending && <Progress share={share} onCancel={() => stop.current?.abort()} />}
      {data && <Result result={data} />}
      {isCancelled && (
        <p role="status" className="text-14">
          Cancelled. What had come in stays; import the same file again for the rest.
        </p>
      )}
      {error !== null && !isCancelled && (
        <p role="alert" className="text-14 text-err">
          Not imported. {inWords(error)}
        </p>
      )}
    </div>
  );
}

/** @param share of the file that was sent, 0 to 1 */
function Progress({ share, onCancel }: { readonly share: number; readonly onCancel: () => void }): ReactNode {
  return (
    <div className="flex flex-wrap items-center gap-3 text-14">
      <progress aria-label="Import" value={share} max={1} className="h-2 min-w-40 flex-1 accent-accent" />
      <span className="tabular-nums">{share < 1 ? `${Math.floor(share * 100)} %` : "Storing…"}</span>
      <Button onClick={onCancel}>Cancel</Button>
    </div>
  );
}

function Result({ result: { conversations, messages, failed, errors } }: { readonly result: ImportResult }): ReactNode {
  return (
    <div role="status" className="text-14">
      {conversations.created} conversations and {messages.saved} messages came in; {messages.skipped} messages were
      there already.
      {failed > 0 && (
        <>
          <p className="text-err">{failed} could not be stored:</p>
          <ul className="list-disc ps-6 text-13">
            {errors.map(({ conversation_id: id, message_id: messageId, message }) => (
              <li key={`${id} ${messageId}`} className="wrap-anywhere">
                {id} {messageId}: {message}
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
