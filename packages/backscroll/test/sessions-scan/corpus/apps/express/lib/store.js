const sessions = new Map(); //> declare
const TTL = 30 * 60 * 1000;

function getOrCreate(id) {
  let session = sessions.get(id); //> read
  if (!session) { //> check
    session = { id, messages: [], context: {}, touched: Date.now() };
    sessions.set(id, session); //> create
  }
  session.touched = Date.now(); //> context-write
  return session;
}

function sweep() {
  for (const [id, session] of sessions.entries()) { //> iterate
    if (Date.now() - session.touched > TTL) sessions.delete(id); //> context-read, delete
  }
}

module.exports = { sessions, getOrCreate, sweep };
