module.exports = { sessions: {}, timers: {} }; //> declare
