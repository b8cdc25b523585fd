/** Talks to either app: `node script.ts http://127.0.0.1:3000 [first|second]`. Restart the app between the two parts. */
const [url = "http://127.0.0.1:3000", part = "first"] = process.argv.slice(2);

async function call(method: string, path: string, body?: object): Promise<void> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  console.log(`${method} ${path}${body ? ` ${JSON.stringify(body)}` : ""}`);
  console.log(`  ${response.status} ${await response.text()}`);
}

const say = (session_id: string, message: string): Promise<void> => call("POST", "/chat", { session_id, message });

if (part === "first") {
  await call("GET", "/history/ada");
  await call("GET", "/context/ada");
  await say("ada", "Hello!");
  await say("ada", "My name is Ada");
  await say("bob", "What is my name?");
  await call("PATCH", "/context/ada", { language: "it" });
  await say("ada", "What is my name?");
  await call("GET", "/context/ada");
  await call("GET", "/history/ada");
  await call("POST", "/clear/bob");
  await call("POST", "/clear/nobody");
  await call("GET", "/history/bob");
  await say("bob", "Hello again");
  for (let i = 1; i <= 12; i += 1) await say("long", `Number ${i}`);
  await call("GET", "/history/long");
} else {
  await say("ada", "What is my name?");
  await call("GET", "/context/ada");
  await call("GET", "/history/ada");
}
