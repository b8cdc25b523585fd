import { listAudit } from "./audit.ts";
import { askAgain } from "./ask-again.ts";
import * as ofConversations from "./conversations.ts";
import { eraseUser } from "./erase-user.ts";
import { exportConversation, exportPerson } from "./export.ts";
import * as ofHistory from "./history.ts";
import { importConversations } from "./import.ts";
import * as ofMessages from "./messages.ts";
import { observed } from "./observe.ts";
import { followReply, stopReply } from "./remote-reply.ts";
import { appendToSession, beginSession } from "./session-appends.ts";
import { startTurnInSession } from "./session-turns.ts";
import * as ofSessions from "./sessions.ts";
import { regenerateReply, startTurn } from "./turn.ts";
import { getUsage } from "./usage.ts";

// What may be asked of the service, by HTTP or in its process: each under the name that metrics, log and traces give
// it. Use cases that make use of each other do not pass here, so what is asked for counts once.

export const conversations = {
  createConversation: observed("createConversation", ofConversations.createConversation),
  getConversation: observed("getConversation", ofConversations.getConversation),
  updateConversation: observed("updateConversation", ofConversations.updateConversation),
  deleteConversation: observed("deleteConversation", ofConversations.deleteConversation),
  restoreConversation: observed("restoreConversation", ofConversations.restoreConversation),
  listUserConversations: observed("listUserConversations", ofConversations.listUserConversations),
  listConversationsFrom: observed("listUserConversations", ofConversations.listConversationsFrom),
  listDeletedConversations: observed("listDeletedConversations", ofConversations.listDeletedConversations),
};

export const messages = {
  // One or many.
  saveMessages: observed("saveMessage", ofMessages.saveMessages),
  editMessage: observed("editMessage", ofMessages.editMessage),
  deleteMessage: observed("deleteMessage", ofMessages.deleteMessage),
};

export const history = {
  getRecentMessages: observed("getRecentMessages", ofHistory.getRecentMessages),
  getMessagesAfter: observed("getMessagesAfter", ofHistory.getMessagesAfter),
  getMessagesAround: observed("getMessagesAround", ofHistory.getMessagesAround),
  getFullHistory: observed("getFullHistory", ofHistory.getFullHistory),
};

/** Until the question is durable, or the reply found: how long replies take is counted by themselves. */
export const turns = {
  startTurn: observed("startTurn", startTurn),
  startTurnInSession: observed("startTurn", startTurnInSession),
  askAgain: observed("regenerateReply", askAgain),
  regenerateReply: observed("regenerateReply", regenerateReply),
  followReply: observed("followReply", followReply),
  stopReply: observed("stopReply", stopReply),
};

export const sessions = {
  putSession: observed("putSession", ofSessions.putSession),
  getSession: observed("getSession", ofSessions.getSession),
  beginSession: observed("beginSession", beginSession),
  updateSession: observed("updateSession", ofSessions.updateSession),
  // One or many.
  appendToSession: observed("appendToSession", appendToSession),
  listSessions: observed("listSessions", ofSessions.listSessions),
  listSessionsFrom: observed("listSessions", ofSessions.listSessionsFrom),
  deleteSession: observed("deleteSession", ofSessions.deleteSession),
};

/** Exports until their first piece. */
export const transfer = {
  exportConversation: observed("exportConversation", exportConversation),
  exportUser: observed("exportUser", exportPerson),
  importConversations: observed("importConversations", importConversations, { isLong: true }),
};

export const people = {
  eraseUser: observed("eraseUser", eraseUser, { isLong: true }),
  getUsage: observed("getUsage", getUsage),
  listAudit: observed("listAudit", listAudit),
};
