"""`mcp` 2.x: the revision 2026-07-28, without sessions."""

import asyncio

import mcp_types as types
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from support import HEADERS, SCRIPT, URL, accepted, cancelled, report, result

try:
    import httpx2 as httpx
except ImportError:
    import httpx


async def main():
    asked, progress = [], []

    async def elicit(context, params):
        asked.append(params.message)
        return types.ElicitResult(action="accept", content=accepted(params.requested_schema))

    async def on_progress(value, total, message):
        progress.append(value)

    async with httpx.AsyncClient(headers=HEADERS, timeout=120) as http:
        transport = streamable_http_client(URL, http_client=http)
        async with Client(transport, elicitation_callback=elicit) as client:
            tools = await client.list_tools()

            async def call(name, arguments, **options):
                answer = await client.call_tool(name, arguments, **options)
                return result(answer.is_error, answer.structured_content, answer.content)

            results = {name: await call(name, arguments) for name, arguments in SCRIPT["calls"]}
            name, arguments = SCRIPT["slow"]
            slow = await call(name, arguments, progress_callback=on_progress)
            name, arguments = SCRIPT["critical"]
            critical = await call(name, arguments)
            name, arguments = SCRIPT["cancel"]
            was_cancelled = await cancelled(client.call_tool(name, arguments))
            resources = await client.list_resources()
            templates = await client.list_resource_templates()
            state = await client.read_resource(SCRIPT["resource"])
            prompts = await client.list_prompts()
            prompt = await client.get_prompt(prompts.prompts[0].name, {"release": SCRIPT["release"]})
            async with client.listen(resource_subscriptions=[SCRIPT["resource"]]):
                listened = True
            report(
                protocol=client.protocol_version,
                tools=[tool.name for tool in tools.tools],
                results=results,
                slow=slow,
                progress=progress,
                critical=critical,
                asked=asked,
                cancelled=was_cancelled,
                resources=[str(resource.uri) for resource in resources.resources],
                templates=[template.uri_template for template in templates.resource_templates],
                state=state.contents[0].text,
                prompts=[prompt.name for prompt in prompts.prompts],
                prompt=prompt.messages[0].content.text,
                listened=listened,
            )


asyncio.run(main())
