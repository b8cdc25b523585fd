import { Search } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useLocation, useSearchParams } from "wouter";
import { PageHeader } from "../shell/page-header.tsx";
import { useDocumentTitle } from "../ui/use-document-title.ts";
import { useDebounced } from "../ui/use-debounced.ts";
import { SearchResults } from "./search-results.tsx";

const SETTLED_MS = 250;
const QUERY_CHARS_MAX = 200;

/** `/search?q=`: conversations whose title has what was typed; the address can be kept and sent. */
export function SearchPage(): ReactNode {
  const [typed, setTyped] = useQueryText();
  useDocumentTitle("Search");
  return (
    <div className="flex h-full flex-col">
      <PageHeader>
        <h1 className="text-15 font-medium">Search</h1>
      </PageHeader>
      <div className="min-h-0 flex-1 overflow-y-auto px-4 pb-8">
        <div className="mx-auto max-w-[768px]">
          <search className="sticky top-0 z-10 block bg-bg pt-6 pb-3">
            <label className="flex items-center gap-3 rounded-m border border-control bg-raise px-3 focus-within:outline-2 focus-within:outline-offset-2 focus-within:outline-accent">
              <Search size={18} aria-hidden className="shrink-0 text-ink2" />
              <span className="sr-only">Search titles</span>
              <input
                type="search"
                autoFocus
                autoComplete="off"
                maxLength={QUERY_CHARS_MAX}
                value={typed}
                onChange={(event) => setTyped(event.target.value)}
                aria-describedby="search-help"
                className="h-11 min-w-0 flex-1 bg-transparent text-16 outline-none"
              />
            </label>
            <p id="search-help" className="pt-2 text-13 text-ink2">
              Searches the titles of your conversations, not yet what was said in them.
            </p>
          </search>
          <SearchResults q={useDebounced(typed.trim(), SETTLED_MS)} />
        </div>
      </div>
    </div>
  );
}

/** What is typed, and the address's `q`: the one follows the other, whichever changes. */
function useQueryText(): [string, (typed: string) => void] {
  const [params, setParams] = useSearchParams();
  const [location] = useLocation();
  const q = params.get("q") ?? "";
  const [typed, setTyped] = useState(q);
  const written = useRef(q);
  const settled = useDebounced(typed, SETTLED_MS);
  useEffect(() => {
    // Somebody went back or forth, or searched for something else from the palette.
    if (q === written.current) return;
    written.current = q;
    setTyped(q);
  }, [q]);
  useEffect(() => {
    if (settled === written.current || location !== "/search") return;
    written.current = settled;
    setParams(settled === "" ? {} : { q: settled }, { replace: true });
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- once for each text
  }, [settled]);
  return [typed, setTyped];
}
