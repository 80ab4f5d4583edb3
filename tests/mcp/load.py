"""The load of sixteen sessions of `mcp` 1.x in one process: how many calls it makes, and what each takes.

`bench mcp` says in MCP_LOAD what is called and for how many seconds, and reads the numbers.
"""

import asyncio
import json
import os
import time

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

URL = os.environ["MCP_URL"]
TOOL, ARGUMENTS, CLIENTS, SECONDS = json.loads(os.environ["MCP_LOAD"])


async def calls(ready, times):
    async with streamablehttp_client(URL) as (read, write, _):
        async with ClientSession(read, write) as session:
            await session.initialize()
            # Asked for by the client before its first call.
            await session.list_tools()
            await ready.wait()
            end = time.monotonic() + SECONDS
            while (started := time.monotonic()) < end:
                answer = await session.call_tool(TOOL, ARGUMENTS)
                assert not answer.isError, answer
                times.append(time.monotonic() - started)


async def main():
    ready, times = asyncio.Barrier(CLIENTS), []
    await asyncio.gather(*(calls(ready, times) for _ in range(CLIENTS)))
    times.sort()
    at = {part: 1000 * times[len(times) * part // 100] for part in (50, 99)}
    print(json.dumps({"rate": len(times) / SECONDS, "p50": at[50], "p99": at[99]}))


# The sessions' start and end take a moment as well.
asyncio.run(asyncio.wait_for(main(), SECONDS + 60))
