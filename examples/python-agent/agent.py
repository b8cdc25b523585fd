"""run_agent(query, history, tools), with two tools that need no network. Put your own agent here."""

import re
import time
import uuid

FACTS = {
    "postgresql": "PostgreSQL is an open-source relational database, developed at Berkeley from 1986 on as POSTGRES.",
    "redis": "Redis is an in-memory data store, first released in 2009.",
    "eliza": "ELIZA is a program by Joseph Weizenbaum, published in 1966, that imitates a psychotherapist.",
    "python": "Python is a programming language by Guido van Rossum, first released in 1991.",
    "everest": "Mount Everest is 8,849 metres high.",
}


def web_search(query: str) -> list[str]:
    """The facts whose subject the query names."""
    words = set(re.findall(r"\w+", query.lower()))
    return [fact for subject, fact in FACTS.items() if subject in words]


def clarification(query: str) -> str:
    """A question back, for a query too short to act on."""
    return f'What would you like to know about "{query.strip()}"?'


async def run_agent(query: str, history: list[dict], tools: list[str]) -> dict:
    """
    Answers one message.

    history: [{"role", "content"}], oldest first; the query is its last message
    tools: names of the tools it may use
    """
    started = time.monotonic()
    calls = []

    def call(name, tool, **arguments):
        output = tool(**arguments)
        calls.append({"id": f"call_{uuid.uuid4().hex}", "name": name, "input": arguments, "output": output})
        return output

    if "clarification" in tools and len(query.split()) < 2:
        content = call("clarification", clarification, query=query)
    elif "web_search" in tools:
        found = call("web_search", web_search, query=query)
        content = " ".join(found) or f"I found nothing. I know about: {', '.join(FACTS)}."
    else:
        turns = sum(message["role"] == "user" for message in history)
        content = f"You have written {turns} message(s). I could say more with my tools: web_search, clarification."

    return {
        "content": content,
        "tokens": None,  # no model ran; yours reports how many it used
        "latency": round((time.monotonic() - started) * 1000),
        "tool_calls": calls,
    }
