const { Router } = require("express");
const { getOrCreate, sessions: live } = require("../lib/store"); //> import
const store = require("../lib/store");

const router = Router();

router.post("/chat", async (req, res, next) => {
  try {
    const session = getOrCreate(req.body.sessionId);
    session.messages.push({ role: "user", content: req.body.message }); //> append
    const reply = await req.app.locals.llm(session.messages.slice(-20)); //> last-n
    session.messages.push({ role: "assistant", content: reply }); //> append
    res.json({ reply });
  } catch (error) {
    next(error);
  }
});

router.get("/chat/:id/exists", (req, res) => res.json({ exists: live.has(req.params.id) })); //> check

router.delete("/chat/:id", (req, res) => {
  store.sessions.delete(req.params.id); //> delete
  res.status(204).end();
});

module.exports = router;
