import type { Browser } from "playwright-core";
import { onTestFinished } from "vitest";
import { type Lanes, startTcpRelay, type TcpRelay } from "../tcp-relay.ts";
import { REAPED_SOON, type TwoServersOnRedis, twoServersOnRedis } from "../turn-fixture.ts";
import type { Files } from "./bundle-page.ts";
import { ChatPage } from "./chat-page.ts";
import { type Site, startSite } from "./site.ts";

/** Two servers, and a site before them that a browser reaches through a relay. */
export interface Stage extends TwoServersOnRedis {
  /** forwards to `a` at first */
  readonly site: Site;
  readonly network: Network;
  /** @returns a tab of this test's browser; with a conversation, of one that is there */
  open(conversationId?: string): Promise<ChatPage>;
  /** what went wrong in the tabs' code */
  readonly pageErrors: readonly Error[];
}

/** Sets the stage; everything but the browser ends with the test. */
export async function setStage(browser: Browser, files: Files): Promise<Stage> {
  const servers = await twoServersOnRedis(REAPED_SOON);
  const site = await startSite(files);
  site.forwardTo(servers.a);
  const network = await startNetwork(site.port);
  const context = await browser.newContext({ baseURL: `http://127.0.0.1:${network.port}` });
  onTestFinished(() => context.close());
  context.setDefaultTimeout(10_000);
  const pageErrors: Error[] = [];
  context.on("weberror", (error) => pageErrors.push(error.error()));
  return {
    ...servers,
    site,
    network,
    pageErrors,
    async open(conversationId) {
      const page = await context.newPage();
      await page.goto(conversationId === undefined ? "/" : `/?chat=${conversationId}`);
      const chat = new ChatPage(page);
      await chat.rendered();
      return chat;
    },
  };
}

interface Network extends TcpRelay {
  /** No answer on a connection that is open now comes through any more. */
  loseAnswers(): void;
}

async function startNetwork(port: number): Promise<Network> {
  const opened: Lanes[] = [];
  const relay = await startTcpRelay({ host: "127.0.0.1", port }, (lanes) => {
    opened.push(lanes);
    return { fromClient: (chunk) => lanes.toServer.write(chunk), fromServer: (chunk) => lanes.toClient.write(chunk) };
  });
  onTestFinished(() => relay.close());
  const loseAnswers = (): void => {
    for (const { toClient } of opened) toClient.hold();
  };
  return Object.assign(relay, { loseAnswers });
}
