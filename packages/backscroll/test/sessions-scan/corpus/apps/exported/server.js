const { sessions, timers } = require("./state"); //> import
const state = require("./state");
const store = require("./store");

app.post("/chat/:id", async (req, res) => {
  const { id } = req.params;
  sessions[id] ??= { messages: [] }; //> create
  sessions[id].messages.push({ role: "user", content: req.body.text }); //> append
  state.sessions[id].messages.push({ role: "assistant", content: await ask(id) }); //> append
  timers[id] = setTimeout(() => delete state.sessions[id], 1000); //> delete
  res.json(store.histories.get(id).slice(-10)); //> last-n
});
