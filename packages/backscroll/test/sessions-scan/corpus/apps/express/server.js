const express = require("express");
const session = require("express-session");
const { sweep } = require("./lib/store");

const app = express();
app.use(express.json());
app.use(session({ secret: "x" }));
app.use((req, res, next) => {
  req.session.visits = (req.session.visits ?? 0) + 1;
  next();
});
app.use(require("./routes/chat"));
setInterval(sweep, 60000);
app.listen(3000);
