/** Bounds of the API that are part of its contract; what an operator may change is in `config.ts`. */
export const LIMITS = {
  /** messages of one save, and appends of one batch statement */
  messagesPerSaveMax: 100,
  windowDefault: 20,
  windowMax: 200,
  pageSizeDefault: 50,
  conversationsPageSizeDefault: 20,
  /** the highest page number: beyond it lies nothing a bigint-free client could name */
  pageMax: 1_000_000_000,
  titleCharsMax: 500,
  searchCharsMax: 200,
  modelCharsMax: 200,
  metadataBytesMax: 16_384,
  /** an app may call a session by its user's address */
  sessionIdCharsMax: 320,
  sessionContextBytesMax: 262_144,
  /** of a page of sessions: the one that reaches it is its last */
  sessionsPageBytesMax: 4_194_304,
  contextKeysRemovedMax: 1_000,
  partsBytesMax: 4_194_304,
  replyCharsMax: 4_194_304,
  subjectCharsMax: 320,
  keyNameCharsMax: 200,
  previewChars: 120,
  /** int4, as `tokens_used` and `latency_ms` are stored */
  int4Max: 2_147_483_647,
  usageDaysMax: 366,
  trashDays: 30,
} as const;
