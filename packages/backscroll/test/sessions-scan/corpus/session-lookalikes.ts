// Sessions by name and by key, and no conversations.

// === the steps of a wizard
const wizardSessions = new Map<string, { step: number; answers: string[] }>(); //> left-out

export function step(sessionId: string, answer: string) {
  const s = wizardSessions.get(sessionId)!;
  s.answers.push(answer);
  s.step++;
}

// === sessions of a game, by an interface
interface GameSession { players: string[]; moves: Move[] }
const sessions: Record<string, GameSession> = {}; //> left-out

export function move(sessionId: string, move: Move) {
  sessions[sessionId] ??= { players: [], moves: [] };
  sessions[sessionId].moves.push(move);
  if (move.isLast) delete sessions[sessionId];
}

// === logins
const sessions = new Map<string, { userId: string; expiresAt: number }>(); //> left-out

export const login = (sessionId: string, userId: string) => sessions.set(sessionId, { userId, expiresAt: soon() });
export const logout = (sessionId: string) => sessions.delete(sessionId);

// === uploads by session
const uploadSessions: Record<string, { chunks: Buffer[] }> = {}; //> left-out

export function chunk(sessionId: string, part: Buffer) {
  (uploadSessions[sessionId] ??= { chunks: [] }).chunks.push(part);
}
