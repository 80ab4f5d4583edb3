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


def either(thing, *names):
    """A field by the name that it has in this version."""
    return next(getattr(thing, name) for name in names if hasattr(thing, name))


def result(answer):
    """A result in the report."""
    texts = [block.text for block in answer.content if getattr(block, "text", None) is not None]
    return {
        "is_error": bool(either(answer, "is_error", "isError")),
        "structured": either(answer, "structured_content", "structuredContent"),
        "text": "\n".join(texts),
    }


def listed(answer, name):
    """What a list holds: some clients answer with it, others with a page of it."""
    return answer if isinstance(answer, list) else getattr(answer, name)


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


class User:
    """Whoever sits at the client: what they were asked, and the progress that they saw."""

    def __init__(self):
        self.asked, self.progress = [], []

    def agrees(self, message, schema):
        """Agrees to what they are asked; what they fill in."""
        self.asked.append(message)
        return accepted(schema)

    async def on_progress(self, value, total, message):
        self.progress.append(value)


async def converse(client, call, user, protocol, progress, **more):
    """The conversation. `call` calls a tool, with `progress` as the name of its option for a callback."""
    tools = await client.list_tools()
    results = {name: result(await call(name, arguments)) for name, arguments in SCRIPT["calls"]}
    slow = await call(*SCRIPT["slow"], **{progress: user.on_progress})
    critical = await call(*SCRIPT["critical"])
    was_cancelled = await cancelled(call(*SCRIPT["cancel"]))
    resources = listed(await client.list_resources(), "resources")
    templates = await client.list_resource_templates()
    templates = templates if isinstance(templates, list) else either(templates, "resource_templates", "resourceTemplates")
    state = listed(await client.read_resource(SCRIPT["resource"]), "contents")
    prompts = listed(await client.list_prompts(), "prompts")
    prompt = await client.get_prompt(prompts[0].name, {"release": SCRIPT["release"]})
    asked = list(user.asked)
    results.update({name: result(await call(name, arguments)) for name, arguments in SCRIPT["last"]})
    found = {
        "protocol": protocol,
        "tools": [tool.name for tool in listed(tools, "tools")],
        "results": results,
        "slow": result(slow),
        "progress": user.progress,
        "critical": result(critical),
        "asked": asked,
        "cancelled": was_cancelled,
        "resources": [str(resource.uri) for resource in resources],
        "templates": [str(either(template, "uri_template", "uriTemplate")) for template in templates],
        "state": state[0].text,
        "prompts": [prompt.name for prompt in prompts],
        "prompt": prompt.messages[0].content.text,
        **more,
    }
    print(json.dumps(found))
