//! The operations for AI agents: MCP over HTTP and stdio.
