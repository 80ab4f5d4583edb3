"""`mcp` 2.x: the revision 2026-07-28, without sessions."""

import asyncio

import mcp_types as types
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from support import HEADERS, SCRIPT, URL, User, converse

try:
    import httpx2 as httpx
except ImportError:
    import httpx


async def main():
    user = User()

    async def elicit(context, params):
        return types.ElicitResult(action="accept", content=user.agrees(params.message, params.requested_schema))

    async with httpx.AsyncClient(headers=HEADERS, timeout=120) as http:
        transport = streamable_http_client(URL, http_client=http)
        async with Client(transport, elicitation_callback=elicit) as client:
            async with client.listen(resource_subscriptions=[SCRIPT["resource"]]) as changes:
                await client.call_tool(*SCRIPT["change"])
                listened = str((await asyncio.wait_for(anext(aiter(changes)), 60)).uri)
            version = client.protocol_version
            await converse(client, client.call_tool, user, version, "progress_callback", listened=listened)


asyncio.run(main())
