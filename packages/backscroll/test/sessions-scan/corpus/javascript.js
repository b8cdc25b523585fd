// === CommonJS Express
const express = require("express");
const app = express();
const sessions = {}; //> declare

app.post("/chat", async (req, res) => {
  const { sessionId, message } = req.body;
  if (!sessions[sessionId]) { //> check
    sessions[sessionId] = { messages: [], context: {} }; //> create
  }
  sessions[sessionId].messages.push({ role: "user", content: message }); //> append
  const messages = sessions[sessionId].messages.slice(-20); //> last-n
  const reply = await ask(messages);
  sessions[sessionId].messages.push({ role: "assistant", content: reply }); //> append
  sessions[sessionId].context.lastReply = Date.now(); //> context-write
  res.json({ reply });
});

app.delete("/chat/:id", (req, res) => {
  delete sessions[req.params.id]; //> delete
  res.sendStatus(204);
});

// === a Discord bot
const conversationHistory = new Map(); //> declare

client.on("messageCreate", async (message) => {
  const channelId = message.channel.id;
  if (!conversationHistory.has(channelId)) conversationHistory.set(channelId, []); //> check, create
  const history = conversationHistory.get(channelId); //> read
  history.push({ role: "user", content: message.content }); //> append
  if (history.length > 20) history.shift(); //> read, trim
  const reply = await complete(history);
  history.push({ role: "assistant", content: reply }); //> append
});

// === this of a class without fields
class Bot {
  constructor() {
    this.histories = {}; //> declare
  }

  async reply(sessionId, text) {
    const history = (this.histories[sessionId] = this.histories[sessionId] || []); //> create
    history.push({ role: "user", content: text }); //> append
    return this.complete(this.histories[sessionId]); //> read
  }
}

// === app.locals
const app = require("express")();
app.locals.sessions = new Map(); //> declare

app.post("/say", (req, res) => {
  const session = req.app.locals.sessions.get(req.body.sessionId); //> read
  session.messages.push({ role: "user", content: req.body.text }); //> append
  res.json(session.messages); //> read
});

// === logical and
const sessions = {}; //> declare

exports.last = (sessionId) => sessions[sessionId] && sessions[sessionId].messages.slice(-1); //> check, last-n
exports.add = (sessionId, m) => sessions[sessionId].messages.push(m); //> append

// === flow types
// @flow
const SESSIONS: { [string]: { messages: Array<Message> } } = {}; //> declare

export function add(sessionId: string, m: Message): void {
  SESSIONS[sessionId].messages.push(m); //> append
}
