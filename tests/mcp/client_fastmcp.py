"""`fastmcp`, 2.x and 4.x: each in the era of the `mcp` that it stands on."""

import asyncio

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from support import HEADERS, URL, User, converse, either


async def main():
    user = User()

    async def elicit(message, response_type, params, context):
        return user.agrees(message, either(params, "requested_schema", "requestedSchema"))

    transport = StreamableHttpTransport(URL, headers=HEADERS)
    async with Client(transport, elicitation_handler=elicit, timeout=120) as client:

        def call(name, arguments, **options):
            return client.call_tool(name, arguments, raise_on_error=False, **options)

        hello = getattr(client, "initialize_result", None)
        protocol = getattr(client, "protocol_version", None) or hello.protocolVersion
        await converse(client, call, user, protocol, "progress_handler")


asyncio.run(main())
