import { serveStatic } from "@hono/node-server/serve-static";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { App } from "./context.ts";

/** The web app finds its way from any of these by itself. */
const PAGES = ["/", "/c/:id", "/search", "/settings", "/operator"];
const ICON = "/icon.svg";

/** @returns whether a path, or the route it takes, is the web app's */
export function isWebApp(path: string, route: string): boolean {
  return PAGES.includes(route) || route === ICON || path.startsWith("/assets/");
}

/** @returns the folder of the built web app; null when it is not built */
export function findWebApp(): string | null {
  const isSource = import.meta.url.endsWith(".ts");
  const directory = fileURLToPath(new URL(isSource ? "../../../web/dist" : "../web", import.meta.url));
  return existsSync(join(directory, "index.html")) ? directory : null;
}

/**
 * Serves the web app. Files with a hash in their name are kept by browsers for good, its page never.
 *
 * @param directory null: there is none, and `/` leads to the API's documentation
 */
export function webRoutes(app: App, directory: string | null): void {
  if (directory === null) {
    app.get("/", (c) => c.redirect("/api/docs"));
    return;
  }
  const page = readFileSync(join(directory, "index.html"), "utf8");
  const policy = policyOf(page);
  for (const path of PAGES) {
    app.get(path, (c) => {
      c.header("content-security-policy", policy);
      c.header("cache-control", "no-cache");
      return c.html(page);
    });
  }
  const files = { root: directory, precompressed: true };
  app.get(
    "/assets/*",
    serveStatic({
      ...files,
      onFound: (_, c) => {
        c.header("cache-control", "public, max-age=31536000, immutable");
        // A worker is under its own file's.
        c.header("content-security-policy", policy);
      },
    }),
  );
  app.get(ICON, serveStatic({ ...files, onFound: (_, c) => c.header("cache-control", "public, max-age=86400") }));
}

/** Nothing from elsewhere, and no script or style in the page but the one whose hash is named. */
function policyOf(page: string): string {
  const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, text = ""]) => {
    return ` 'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  });
  return [
    "default-src 'self'",
    `script-src 'self'${scripts.join("")}`,
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
