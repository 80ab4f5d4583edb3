"""What all Python clients of the MCP server do: the same conversation, and a report of it as JSON on standard output.

The Rust test `mcp_clients` says in MCP_SCRIPT what is called, and reads the report.
"""

import asyncio
import json
import os

URL = os.environ["MCP_URL"]
HEADERS = {"Authorization": "Bearer " + os.environ["MCP_TOKEN"]}
SCRIPT = json.loads(os.environ["MCP_SCRIPT"])


def accepted(schema):
    """What a user who agrees fills in."""

    def value(field):
        if "default" in field and field["default"] is not False:
            return field["default"]
        if field.get("enum"):
            return field["enum"][0]
        return {"boolean": True, "integer": 1, "number": 1}.get(field.get("type"), "yes")

    return {name: value(field) for name, field in schema.get("properties", {}).items()}


def result(is_error, structured, content):
    """A result in the report."""
    texts = [block.text for block in content if getattr(block, "text", None) is not None]
    return {"is_error": bool(is_error), "structured": structured, "text": "\n".join(texts)}


async def cancelled(call):
    """Whether a call that takes long ends when its task is cancelled."""
    task = asyncio.create_task(call)
    await asyncio.sleep(SCRIPT["cancel_after"])
    task.cancel()
    try:
        await asyncio.wait_for(task, 20)
    except asyncio.CancelledError:
        return True
    except Exception as error:  # a client may put its own error in its place
        return type(error).__name__
    return False


def report(**found):
    """Writes the report."""
    print(json.dumps(found))
