import { Hono } from "hono";
import { chat } from "./routes/chat";

const app = new Hono();
app.route("/chat", chat);
app.get("/", (c) => c.html(<p>sessions.get(id).messages</p>));
export default app;
