"""`mcp` 1.x: the revision 2025-11-25, in a session."""

import asyncio

from mcp import ClientSession, types
from mcp.client.streamable_http import streamablehttp_client
from support import HEADERS, SCRIPT, URL, accepted, cancelled, report, result


async def main():
    asked, progress = [], []

    async def elicit(context, params):
        asked.append(params.message)
        return types.ElicitResult(action="accept", content=accepted(params.requestedSchema))

    async def on_progress(value, total, message):
        progress.append(value)

    async with streamablehttp_client(URL, headers=HEADERS) as (read, write, _):
        async with ClientSession(read, write, elicitation_callback=elicit) as session:
            hello = await session.initialize()
            tools = await session.list_tools()

            async def call(name, arguments, **options):
                answer = await session.call_tool(name, arguments, **options)
                return result(answer.isError, answer.structuredContent, answer.content)

            results = {name: await call(name, arguments) for name, arguments in SCRIPT["calls"]}
            name, arguments = SCRIPT["slow"]
            slow = await call(name, arguments, progress_callback=on_progress)
            name, arguments = SCRIPT["critical"]
            critical = await call(name, arguments)
            name, arguments = SCRIPT["cancel"]
            was_cancelled = await cancelled(session.call_tool(name, arguments))
            resources = await session.list_resources()
            templates = await session.list_resource_templates()
            state = await session.read_resource(SCRIPT["resource"])
            prompts = await session.list_prompts()
            prompt = await session.get_prompt(prompts.prompts[0].name, {"release": SCRIPT["release"]})
            report(
                protocol=hello.protocolVersion,
                tools=[tool.name for tool in tools.tools],
                results=results,
                slow=slow,
                progress=progress,
                critical=critical,
                asked=asked,
                cancelled=was_cancelled,
                resources=[str(resource.uri) for resource in resources.resources],
                templates=[template.uriTemplate for template in templates.resourceTemplates],
                state=state.contents[0].text,
                prompts=[prompt.name for prompt in prompts.prompts],
                prompt=prompt.messages[0].content.text,
            )


asyncio.run(main())
