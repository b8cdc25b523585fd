"""Serves run_agent() to Backscroll: POST /respond. Python 3.11 or later, standard library only."""

import asyncio
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from agent import run_agent

BODY_BYTES_MAX = 16 * 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds a connection may stay silent

    def do_POST(self):
        try:
            size = int(self.headers.get("content-length", ""))
        except ValueError:
            size = -1
        if not 0 <= size <= BODY_BYTES_MAX:
            # the body stays unread, so this connection cannot be used again
            self.close_connection = True
            return self.answer(411 if size < 0 else 413, {"error": "send a content-length of at most 16 MiB"})
        body = self.rfile.read(size)

        if self.path != "/respond":
            return self.answer(404, {"error": "POST to /respond"})
        try:
            request = json.loads(body)
            query, history, tools = request["query"], request["messages"], request["tools"]
        except (ValueError, KeyError, TypeError):
            return self.answer(400, {"error": "expected {messages: [{role, content}], query, tools}"})

        try:
            reply = asyncio.run(run_agent(query=query, history=history, tools=tools))
        except Exception as error:  # the server outlives its agent; the kind is logged, not what was said
            self.log_error("run_agent failed: %s", type(error).__name__)
            return self.answer(500, {"error": "the agent failed"})
        self.answer(200, reply)

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        pass


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8787
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/respond", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
