export { sessions as chatSessions, ensure } from "./sessions.js";
export * from "./sessions.js";
