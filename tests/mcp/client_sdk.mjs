// `@modelcontextprotocol/sdk`: the revision 2025-11-25, in a session. The same conversation as that of support.py.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.MCP_PACKAGES + "/package.json");
const load = (name) => import(pathToFileURL(require.resolve("@modelcontextprotocol/sdk/" + name)).href);
const { Client } = await load("client/index.js");
const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");
const { ElicitRequestSchema } = await load("types.js");

const script = JSON.parse(process.env.MCP_SCRIPT);
const headers = { Authorization: "Bearer " + process.env.MCP_TOKEN };

function accepted(schema) {
  const value = (field) => {
    if (field.default !== undefined && field.default !== false) return field.default;
    if (field.enum) return field.enum[0];
    return { boolean: true, integer: 1, number: 1 }[field.type] ?? "yes";
  };
  return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, field]) => [name, value(field)]));
}

const asked = [];
const progress = [];
const client = new Client({ name: "end-to-end", version: "1" }, { capabilities: { elicitation: {} } });
client.setRequestHandler(ElicitRequestSchema, (request) => {
  asked.push(request.params.message);
  return { action: "accept", content: accepted(request.params.requestedSchema) };
});
const transport = new StreamableHTTPClientTransport(new URL(process.env.MCP_URL), { requestInit: { headers } });
await client.connect(transport);

async function call([name, args], options = {}) {
  const answer = await client.callTool({ name, arguments: args }, undefined, { timeout: 120_000, ...options });
  const texts = answer.content.filter((block) => block.type === "text").map((block) => block.text);
  return { is_error: !!answer.isError, structured: answer.structuredContent ?? null, text: texts.join("\n") };
}

const tools = await client.listTools();
const results = {};
for (const wanted of script.calls) results[wanted[0]] = await call(wanted);
const slow = await call(script.slow, { onprogress: (note) => progress.push(note.progress) });
const critical = await call(script.critical);
const control = new AbortController();
const waiting = call(script.cancel, { signal: control.signal });
setTimeout(() => control.abort("enough"), script.cancel_after * 1000);
const cancelled = await waiting.then(() => false, () => true);
const resources = await client.listResources();
const templates = await client.listResourceTemplates();
const state = await client.readResource({ uri: script.resource });
const prompts = await client.listPrompts();
const prompt = await client.getPrompt({ name: prompts.prompts[0].name, arguments: { release: script.release } });
const consents = [...asked];
for (const wanted of script.last) results[wanted[0]] = await call(wanted);
console.log(
  JSON.stringify({
    protocol: transport.protocolVersion,
    tools: tools.tools.map((tool) => tool.name),
    results,
    slow,
    progress,
    critical,
    asked: consents,
    cancelled,
    resources: resources.resources.map((resource) => resource.uri),
    templates: templates.resourceTemplates.map((template) => template.uriTemplate),
    state: state.contents[0].text,
    prompts: prompts.prompts.map((prompt) => prompt.name),
    prompt: prompt.messages[0].content.text,
  }),
);
await client.close();
