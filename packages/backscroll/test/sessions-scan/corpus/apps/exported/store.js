exports.histories = new Map(); //> declare

exports.add = (sessionId, text) => exports.histories.get(sessionId).push({ role: "user", content: text }); //> append
