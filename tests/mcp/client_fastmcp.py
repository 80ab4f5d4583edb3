"""`fastmcp`, 2.x and 4.x: each in the era of the `mcp` that it stands on."""

import asyncio

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from support import HEADERS, SCRIPT, URL, accepted, cancelled, report, result


def either(thing, *names):
    """A field by the name that it has in this version."""
    return next(getattr(thing, name) for name in names if hasattr(thing, name))


async def main():
    asked, progress = [], []

    async def elicit(message, response_type, params, context):
        asked.append(message)
        return accepted(either(params, "requested_schema", "requestedSchema"))

    async def on_progress(value, total, message):
        progress.append(value)

    transport = StreamableHttpTransport(URL, headers=HEADERS)
    async with Client(transport, elicitation_handler=elicit, timeout=120) as client:
        tools = await client.list_tools()

        async def call(name, arguments, **options):
            answer = await client.call_tool(name, arguments, raise_on_error=False, **options)
            return result(answer.is_error, answer.structured_content, answer.content)

        results = {name: await call(name, arguments) for name, arguments in SCRIPT["calls"]}
        name, arguments = SCRIPT["slow"]
        slow = await call(name, arguments, progress_handler=on_progress)
        name, arguments = SCRIPT["critical"]
        critical = await call(name, arguments)
        name, arguments = SCRIPT["cancel"]
        was_cancelled = await cancelled(client.call_tool(name, arguments, raise_on_error=False))
        resources = await client.list_resources()
        templates = await client.list_resource_templates()
        state = await client.read_resource(SCRIPT["resource"])
        prompts = await client.list_prompts()
        prompt = await client.get_prompt(prompts[0].name, {"release": SCRIPT["release"]})
        hello = getattr(client, "initialize_result", None)
        report(
            protocol=getattr(client, "protocol_version", None) or hello.protocolVersion,
            tools=[tool.name for tool in tools],
            results=results,
            slow=slow,
            progress=progress,
            critical=critical,
            asked=asked,
            cancelled=was_cancelled,
            resources=[str(resource.uri) for resource in resources],
            templates=[str(either(template, "uri_template", "uriTemplate")) for template in templates],
            state=state[0].text,
            prompts=[prompt.name for prompt in prompts],
            prompt=prompt.messages[0].content.text,
        )


asyncio.run(main())
