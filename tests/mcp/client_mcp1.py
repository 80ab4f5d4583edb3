"""`mcp` 1.x: the revision 2025-11-25, in a session."""

import asyncio

from mcp import ClientSession, types
from mcp.client.streamable_http import streamablehttp_client
from support import HEADERS, URL, User, converse


async def main():
    user = User()

    async def elicit(context, params):
        return types.ElicitResult(action="accept", content=user.agrees(params.message, params.requestedSchema))

    async with streamablehttp_client(URL, headers=HEADERS) as (read, write, _):
        async with ClientSession(read, write, elicitation_callback=elicit) as session:
            hello = await session.initialize()
            await converse(session, session.call_tool, user, hello.protocolVersion, "progress_callback")


asyncio.run(main())
