import { type ConversationRef, DEFAULT_TITLE } from "../domain/conversation.ts";
import { BackscrollError } from "../domain/errors.ts";
import { toStoredId } from "../domain/ids.ts";
import type { JsonObject } from "../domain/json.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Role } from "../domain/message.ts";
import { toIdentity } from "../domain/user.ts";
import {
  findImportedStates,
  type ImportedState,
  listImported,
  updateImportedSource,
  updateImportedTitle,
} from "../postgres/guide-imported.ts";
import type { GuideSource } from "../postgres/guide-source.ts";
import {
  countGuide,
  findGuideConversations,
  type GuideConversation,
  listGuideConversations,
} from "../postgres/guide-tables.ts";
import { type ImportedConversation, insertImportedConversation } from "../postgres/import.ts";
import { changeConversation } from "./changes.ts";
import { checkConversationFields, checkIdentity } from "./check.ts";
import type { Deps } from "./deps.ts";
import { verifyMessages } from "./guide-comparison.ts";
import { storeMissing } from "./guide-conversation.ts";
import { findSame } from "./guide-digests.ts";
import { isTime, rolesWith } from "./guide-messages.ts";
import { type Bringing, type GuideError, type GuideImport, GuideRun, type PlacedConversation } from "./guide-run.ts";
import { inLanes } from "./lanes.ts";
import { findUser, resolveUser } from "./users.ts";

export interface GuideImportOptions {
  /** compare only, and store nothing */
  readonly verifyOnly: boolean;
  /** messages that were deleted here come back */
  readonly restoreDeleted: boolean;
  /** what roles mean that nobody knows, as `agent` */
  readonly roles: ReadonlyMap<string, Role>;
  /** conversations at the same time, 1 or more */
  readonly atOnce: number;
  readonly onError: (error: GuideError) => void;
  /** @param messages of the guide's table that are done with, of so many */
  readonly onProgress: (soFar: GuideImport, messages: number, total: number) => void;
  /** no more is begun: what was begun is in a state from which the next run goes on */
  readonly signal: AbortSignal;
}

const CONVERSATIONS_A_PAGE = 200;

/**
 * Brings the guide's tables over: conversations to whom their `user_email` names, messages in order with their times.
 * What is here already, by its id, is left as it is and compared; so an import that broke off, and one that is to add what
 * was written meanwhile, is simply run again. Conversations whose digests are the same on both sides are not read.
 *
 * Everything that can be kept is afterwards here as it was in the source's snapshot, or told. Memory does not grow with
 * the tables but by a number for each person.
 *
 * @throws {GuideSourceError} @throws {BackscrollError} database_unavailable
 */
export async function importGuide(deps: Deps, source: GuideSource, options: GuideImportOptions): Promise<GuideImport> {
  const { messages: total, conversationsWithoutId } = await countGuide(source);
  const run = new GuideRun(options.onError, (soFar, messages) => options.onProgress(soFar, messages, total));
  const { verifyOnly, restoreDeleted, signal, roles } = options;
  const bringing: Bringing = { deps, source, run, verifyOnly, restoreDeleted, signal, roleOf: rolesWith(roles) };
  try {
    let after: string | null = null;
    let inConversations = 0;
    while (!signal.aborted) {
      const page: readonly GuideConversation[] = await listGuideConversations(source, {
        after,
        limit: CONVERSATIONS_A_PAGE,
      });
      inConversations += page.reduce((sum, { digest }) => sum + digest.messages, 0);
      await importPage(bringing, page, options.atOnce);
      after = page.at(-1)?.id ?? null;
      if (page.length < CONVERSATIONS_A_PAGE) break;
    }
    if (!signal.aborted) {
      tellWithoutId(run, conversationsWithoutId);
      tellOrphans(run, total - inConversations);
      await findGone(bringing);
    }
  } finally {
    // Once, instead of thousands of changes.
    for (const userId of run.users) deps.live.feed.tell(userId, { type: "resync" });
  }
  run.result.stopped = signal.aborted;
  return run.result;
}

async function importPage(bringing: Bringing, page: readonly GuideConversation[], atOnce: number): Promise<void> {
  const { deps, run, signal, verifyOnly } = bringing;
  const placed = await placeAll(bringing, page);
  const here = placed.flatMap(({ state, ...rest }) => (state === null || state.isInTrash ? [] : [{ ...rest, state }]));
  const same = await findSame(deps.db, here);
  const stored: PlacedConversation[] = [];
  await inLanes(placed, atOnce, async (conversation) => {
    if (signal.aborted) return;
    const { guide, state } = conversation;
    if (state !== null && !state.isInTrash) run.result.conversationsExisting += 1;
    const isDone = state?.isInTrash === true || same.has(guide.id);
    if (state?.isInTrash === true) run.result.conversationsInTrash += 1;
    else if (same.has(guide.id)) tellVerified(bringing, conversation, { skipped: !verifyOnly });
    else if (verifyOnly) await verify(bringing, conversation, state);
    else {
      if (await store(bringing, conversation)) stored.push(conversation);
    }
    if (isDone || verifyOnly) run.seen(guide.digest.messages);
    if (state === null || verifyOnly) return;
    if (state.isOfUnknownSource) await updateImportedSource(deps.db, conversation.ref, bringing.source.fingerprint);
    await takeTitle(bringing, conversation);
  });
  if (!signal.aborted) await verifyStored(bringing, stored, atOnce);
}

/** No user's number. */
const NOBODY = 0;

/** @throws {BackscrollError} whose conversations cannot be kept */
async function ownerOf({ deps, verifyOnly }: Bringing, email: string): Promise<number> {
  // Who was erased does not come back with what others still have of them.
  if (!verifyOnly) return resolveUser(deps, email, { isActedFor: true });
  checkIdentity(toIdentity(email));
  return (await findUser(deps, email)) ?? NOBODY;
}

/** @returns those that could be placed; the others are told */
async function placeAll(
  bringing: Bringing,
  page: readonly GuideConversation[],
): Promise<readonly PlacedConversation[]> {
  const { deps, run } = bringing;
  const placed: { guide: GuideConversation; ref: ConversationRef }[] = [];
  for (const guide of page) {
    try {
      checkConversationFields({ id: guide.id });
      if (guide.userEmail === null) throw new BackscrollError("invalid_request", "its user_email is null");
      if (!isTime(guide.createdMs)) throw new BackscrollError("invalid_request", "its created_at is no time");
      const userId = await ownerOf(bringing, guide.userEmail);
      placed.push({ guide, ref: { userId, id: toStoredId(userId, guide.id).id } });
    } catch (error) {
      if (!(error instanceof BackscrollError) || error.code === "database_unavailable") throw error;
      const { messages } = guide.digest;
      run.fail(guide.id, null, error.code, `${error.message}: it was left out, with its ${messages} messages`);
      run.seen(messages);
    }
  }
  const states = await findImportedStates(
    deps.db,
    placed.map(({ ref }) => ref),
  );
  return placed.map((each, index) => ({ ...each, state: states[index] ?? null }));
}

/** @returns false when its owner was erased meanwhile: that is told */
async function store(bringing: Bringing, conversation: PlacedConversation): Promise<boolean> {
  try {
    await storeConversation(bringing, conversation);
    return true;
  } catch (error) {
    if (!(error instanceof BackscrollError) || error.code !== "user_erased") throw error;
    bringing.run.fail(conversation.guide.id, null, error.code, error.message);
    return false;
  }
}

async function storeConversation(bringing: Bringing, conversation: PlacedConversation): Promise<void> {
  if (conversation.state !== null) return storeMissing(bringing, conversation);
  const { deps, run } = bringing;
  const { guide, ref } = conversation;
  const isMade = await changeConversation(
    deps,
    ref,
    insertImportedConversation(deps.db, ref, toImported(bringing, conversation)),
  );
  run.users.add(ref.userId);
  if (isMade) run.result.conversationsCreated += 1;
  else run.result.conversationsExisting += 1;
  // Made meanwhile by somebody else: it is looked at as one that is here.
  const state = isMade ? null : ((await findImportedStates(deps.db, [ref]))[0] ?? null);
  await storeMissing(bringing, { guide, ref, state });
}

/** The guide's `updated_at` is that of its row; here it is that of the newest message. */
function toImported({ run, source }: Bringing, { guide, ref }: PlacedConversation): ImportedConversation {
  const { title, keptTitle } = titleOf(guide);
  const createdMs = guide.createdMs ?? 0;
  const now = Date.now();
  const kept: JsonObject = {
    source: source.fingerprint,
    updated_at_ms: guide.updatedMs,
    ...(createdMs > now && { created_at_ms: createdMs }),
    ...(keptTitle !== null && Buffer.byteLength(keptTitle) <= TITLE_BYTES_KEPT && { title: keptTitle }),
  };
  if (keptTitle !== null && kept["title"] === undefined) {
    run.fail(guide.id, null, "invalid_request", `its title is over ${TITLE_BYTES_KEPT} bytes: its beginning was kept`);
  }
  return {
    clientId: toStoredId(ref.userId, guide.id).clientId,
    title,
    titleSource: title === DEFAULT_TITLE ? "default" : "generated",
    metadata: { guide: kept },
    pinned: false,
    archived: false,
    createdAt: new Date(Math.min(createdMs, now)),
  };
}

/** Nobody here has changed it as long as it is not a user's. */
async function takeTitle({ deps, run }: Bringing, { guide, ref, state }: PlacedConversation): Promise<void> {
  const { title } = titleOf(guide);
  // What the guide calls a conversation that nobody named is no name for one that has got one here.
  if (title === DEFAULT_TITLE || title === state?.title) return;
  if (!(await updateImportedTitle(deps.db, ref, title))) return;
  run.users.add(ref.userId);
  run.result.conversationsRetitled += 1;
}

/** @returns `keptTitle`: what it was, when it is no title here, or too long for one */
function titleOf({ title }: GuideConversation): { readonly title: string; readonly keptTitle: string | null } {
  if (title === null) return { title: DEFAULT_TITLE, keptTitle: null };
  if (title.trim() === "") return { title: DEFAULT_TITLE, keptTitle: title };
  if (title.length <= LIMITS.titleCharsMax) return { title, keptTitle: null };
  const beginning = title.slice(0, LIMITS.titleCharsMax - 1).replace(/[\ud800-\udbff]$/, "");
  return { title: `${beginning}…`, keptTitle: title };
}

/** Of metadata, which has a limit of its own. */
const TITLE_BYTES_KEPT = LIMITS.metadataBytesMax / 2;

function tellVerified({ run }: Bringing, { guide }: PlacedConversation, { skipped }: { skipped: boolean }): void {
  run.result.conversationsVerified += 1;
  run.result.messagesVerified += guide.digest.messages;
  if (skipped) run.result.messagesSkipped += guide.digest.messages;
}

/** What was stored just now is compared, too: by digests first. */
async function verifyStored(bringing: Bringing, stored: readonly PlacedConversation[], atOnce: number): Promise<void> {
  const { deps, signal } = bringing;
  const states = await findImportedStates(
    deps.db,
    stored.map(({ ref }) => ref),
  );
  const now = stored.map((conversation, index) => ({ conversation, state: states[index] ?? null }));
  const same = await findSame(
    deps.db,
    now.flatMap(({ conversation, state }) => (state === null ? [] : [{ ...conversation, state }])),
  );
  await inLanes(now, atOnce, async ({ conversation, state }) => {
    if (signal.aborted) return;
    if (same.has(conversation.guide.id)) tellVerified(bringing, conversation, { skipped: false });
    else await verify(bringing, conversation, state);
  });
}

/** @param now what is here of it now; what was deleted before that run is in the conversation's own state */
async function verify(bringing: Bringing, conversation: PlacedConversation, now: ImportedState | null): Promise<void> {
  const { run } = bringing;
  const { guide } = conversation;
  if (now === null) {
    run.fail(guide.id, null, "missing", `it is not here, nor are its ${guide.digest.messages} messages`);
  } else if (await verifyMessages(bringing, conversation, { here: now.messages })) {
    run.result.conversationsVerified += 1;
  }
}

function tellWithoutId(run: GuideRun, conversations: number): void {
  if (conversations === 0) return;
  run.fail(null, null, "invalid_request", `${conversations} of the conversations have no id: they were left out`);
}

function tellOrphans(run: GuideRun, orphans: number): void {
  if (orphans <= 0) return;
  run.fail(
    null,
    null,
    "no_conversation",
    `${orphans} messages belong to no conversation of the table: they were left out`,
  );
}

/** What was deleted there since it was imported stays here; whoever wants it to go has to be told. */
async function findGone({ deps, source, run, signal }: Bringing): Promise<void> {
  let after: ConversationRef | null = null;
  while (!signal.aborted) {
    const page: Awaited<ReturnType<typeof listImported>> = await listImported(deps.db, {
      from: source.fingerprint,
      after,
      limit: 1_000,
    });
    const there = await findGuideConversations(
      source,
      page.map(({ id }) => id),
    );
    for (const { id } of page) if (!there.has(id)) run.gone(id);
    after = page.at(-1)?.ref ?? null;
    if (page.length < 1_000) return;
  }
}
