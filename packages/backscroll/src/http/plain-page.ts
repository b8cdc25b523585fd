import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import type { Conversation } from "../domain/conversation.ts";
import { type BackscrollError, type ErrorCode, invalidRequest } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { parseMessageJson, type WireMessage } from "../domain/message.ts";
import type { Pagination } from "../service/history.ts";
import { conversations, history } from "../service/use-cases.ts";
import type { App, Context } from "./context.ts";

/** A conversation as one page after the other, without scripts: to print, to search in, to be read aloud. */
export const PLAIN_PAGE = "/c/:conversationId/plain";

const PAGE_SIZE = 200;
const PLAIN_PATH = /^\/c\/[^/]+\/plain$/;
const STYLE = `
:root { color-scheme: light dark; --ink: #1d1b18; --ink2: #5a554d; --bg: #faf9f7; --accent: #0b6b63; --warn: #8a5300 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9e7e3; --ink2: #a9aeb1; --bg: #141516; --accent: #6fd3c7; --warn: #f0b35a } }
body { font: 15px/1.6 system-ui, sans-serif; color: var(--ink); background: var(--bg); margin: 0 auto; max-width: 768px; padding: 24px 16px 64px; overflow-wrap: anywhere }
h1 { font-size: 20px; line-height: 1.3; margin: 0 }
h2 { font-size: 13px; margin: 0 }
header p, h2 time, .note { color: var(--ink2); font-size: 13px; font-weight: 400 }
.note { color: var(--warn); margin: 4px 0 0 }
article { margin-top: 24px; break-inside: avoid-page }
.text { white-space: pre-wrap; margin: 4px 0 0 }
pre { font: 13px/1.5 ui-monospace, monospace; white-space: pre-wrap; margin: 4px 0 0 }
a { color: var(--accent) }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 24px 0 0 }
nav a, nav span { display: inline-block; padding: 4px 0 }
@media print { nav, .app { display: none } body { padding: 0; max-width: none } }`;
const POLICY = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

type Html = ReturnType<typeof html>;

/** Serves it, to whoever the caller is by then. */
export function plainPageRoutes(app: App): void {
  app.get(PLAIN_PAGE, async (c) => {
    const at = { userId: c.var.user.id, conversationId: c.req.param("conversationId") };
    const page = toPage(c.req.query("page"));
    const conversation = await conversations.getConversation(c.var.deps, at);
    const { messages, pagination } = await history.getFullHistory(c.var.deps, at, { page, pageSize: PAGE_SIZE });
    c.header("content-security-policy", POLICY);
    return c.html(conversationPage(conversation, messages.map(parseMessageJson), pagination));
  });
}

/** @returns whether whoever asked wants a page, and no JSON: one that goes to an address that is not for programs, too */
export function asksForPage({ req }: Context): boolean {
  if (PLAIN_PATH.test(req.path)) return true;
  if (req.path.startsWith("/api/") || req.path === "/metrics") return false;
  return (req.header("accept") ?? "").includes("text/html");
}

const PROBLEMS: Partial<Record<ErrorCode, { readonly title: string; readonly text: string }>> = {
  unauthenticated: { title: "Log in first", text: "Then come back to this address." },
  conversation_not_found: { title: "No such conversation", text: "It was deleted, or the address is not right." },
  route_not_found: { title: "Nothing is here", text: "The address is not right." },
};

/** @param problem what the API would answer @returns the same, for people */
export async function plainProblem(error: BackscrollError, problem: Response): Promise<Response> {
  const { title, text } = PROBLEMS[error.code] ?? { title: "This cannot be shown", text: error.message };
  const page = document(
    title,
    html`<main>
      <h1>${title}</h1>
      <p>${text}</p>
      <p><a href="/">Open Backscroll</a></p>
    </main>`,
  );
  const headers = new Headers(problem.headers);
  headers.set("content-type", "text/html; charset=utf-8");
  headers.set("content-security-policy", POLICY);
  return new Response(String(await page), { status: problem.status, headers });
}

/** @throws {BackscrollError} invalid_request */
function toPage(given: string | undefined): number {
  if (given === undefined) return 1;
  const page = /^\d{1,9}$/.test(given) ? Number(given) : 0;
  if (page < 1 || page > LIMITS.pageMax) {
    throw invalidRequest({ path: "page", message: `must be a whole number from 1 to ${LIMITS.pageMax}` });
  }
  return page;
}

function conversationPage(
  { id, title, createdAt, messageCount }: Conversation,
  messages: readonly WireMessage[],
  pagination: Pagination,
): Html {
  const path = `/c/${encodeURIComponent(id)}`;
  const links = pageLinks(`${path}/plain`, pagination);
  return document(
    title,
    html`<header>
        <h1>${title}</h1>
        <p>
          ${messageCount === 1 ? "1 message" : `${messageCount} messages`}, begun on ${time(createdAt.toISOString())}
        </p>
        <a class="app" href="${path}">Open in the app</a>
        ${links}
      </header>
      <main>
        ${messages.length === 0 ? html`<p>There are no messages on this page.</p>` : messages.map(messageHtml)}
      </main>
      ${links}`,
  );
}

function pageLinks(path: string, { page, totalPages, hasNext, hasPrev }: Pagination): Html | "" {
  if (totalPages <= 1 && page === 1) return "";
  const link = (to: number, name: string): Html => html`<a href="${path}?page=${to}">${name}</a>`;
  return html`<nav aria-label="Pages">
    ${hasPrev ? [link(1, "First"), " ", link(Math.min(page - 1, Math.max(1, totalPages)), "Older")] : ""}
    <span>Page ${page} of ${totalPages}</span>
    ${hasNext ? [link(page + 1, "Newer"), " ", link(totalPages, "Last")] : ""}
  </nav>`;
}

const NAMES = { user: "You", assistant: "Assistant", system: "System", tool: "Tool" } as const;
const ENDINGS = {
  complete: "",
  stopped: "Stopped",
  interrupted: "Interrupted: the server went away meanwhile",
  failed: "Failed: the reply broke off here",
} as const;

function messageHtml({ role, content, status, parts = [], created_at: at, edited_at: editedAt }: WireMessage): Html {
  const others = parts.filter(({ type }) => type !== "text");
  return html`<article>
    <h2>${NAMES[role]} ${time(at)}${editedAt === null ? "" : " · edited"}</h2>
    <p class="text">${content}</p>
    ${others.map((part) => html`<pre>${JSON.stringify(part, null, 2)}</pre>`)}
    ${ENDINGS[status] === "" ? "" : html`<p class="note">${ENDINGS[status]}</p>`}
  </article>`;
}

function time(iso: string): Html {
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace("T", " ")} UTC</time>`;
}

function document(title: string, body: Html): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title} · Backscroll</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        ${body}
      </body>
    </html>`;
}
