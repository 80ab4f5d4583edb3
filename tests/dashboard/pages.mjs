// A person with a browser at the pages of the dashboard: every page, in both themes and three widths, with the keyboard, without
// scripts, with axe, on paper, while things change, for a week, and while the server is away. What it finds wrong is printed as JSON at its end; the
// test that started it changes the world when a line asks for it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.env.DASHBOARD_PACKAGES}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const base = process.env.DASHBOARD_URL;
const token = process.env.DASHBOARD_TOKEN;
const pictures = process.env.DASHBOARD_PICTURES;
const pages = JSON.parse(process.env.DASHBOARD_PAGES);
const WIDTHS = [360, 1024, 1600];

const found = [];
const wrong = (what, detail) => found.push({ what, detail: String(detail).slice(0, 2000) });

const began = Date.now();
const step = (what) => console.error(`${Math.round((Date.now() - began) / 1000)} s: ${what}`);

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function please(what) {
  console.log(`please ${what}`);
  await answers.next();
}

function watch(page, name, mayFail = () => false) {
  page.on("console", (message) => {
    if (message.type() === "error" && !mayFail()) wrong("console error", `${name}: ${message.text()}`);
  });
  page.on("pageerror", (error) => wrong("script error", `${name}: ${error}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith("data:")) {
      wrong("foreign request", `${name}: ${request.url()}`);
    }
  });
}

async function login(context) {
  const page = await context.newPage();
  watch(page, "login");
  await page.goto(`${base}/builds`);
  // With the keyboard alone: the link that skips, the navigation, the field.
  await page.keyboard.press("Tab");
  const first = await page.evaluate(() => document.activeElement.textContent);
  if (!first.includes("Skip")) wrong("keyboard", `the first stop is ${first}`);
  await page.focus("#token");
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
  await page.waitForURL(`${base}/builds`);
  await page.close();
}

async function settled(page) {
  await page.waitForFunction(() => !document.querySelector("h1")?.textContent.startsWith("Reading"), null, { timeout: 30000 });
}

const browser = await chromium.launch({
  executablePath: process.env.DASHBOARD_BROWSER,
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});

async function withContext(options, work) {
  const context = await browser.newContext(options);
  try {
    await work(context);
  } finally {
    await context.close();
  }
}

async function looked() {
  // Every page in both themes and three widths: nothing complains, nothing is wider than the window.
  for (const colorScheme of ["light", "dark"]) {
    for (const width of WIDTHS) {
      await withContext({ colorScheme, viewport: { width, height: 900 } }, async (context) => {
        await login(context);
        for (const [name, path] of Object.entries(pages)) {
          const page = await context.newPage();
          watch(page, `${name} ${colorScheme} ${width}`);
          await page.goto(`${base}${path}`);
          await settled(page);
          await page.waitForFunction(() => document.getElementById("connection").dataset.state === "live");
          const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          if (over > 0) wrong("too wide", `${name} ${width}: ${over} pixels`);
          if (pictures) await page.screenshot({ path: `${pictures}/${name}-${colorScheme}-${width}.png`, fullPage: name === "overview" || name === "release" });
          await page.close();
        }
        if (pictures) await pictured(context, `${colorScheme}-${width}`);
      });
    }
  }

}

// What is seen in between and when something is wrong.
async function pictured(context, name) {
  const page = await context.newPage();
  for (const [what, path] of Object.entries({ absent: "/nowhere", damaged: "/releases/4.17.60", empty: "/?state=held&y=4.22" })) {
    await page.goto(`${base}${path}`);
    await page.screenshot({ path: `${pictures}/${what}-${name}.png` });
  }
  await page.close();
  const fresh = await browser.newContext({ colorScheme: name.split("-")[0], viewport: page.viewportSize() });
  const form = await fresh.newPage();
  await form.goto(`${base}/login`);
  await form.screenshot({ path: `${pictures}/login-${name}.png` });
  await fresh.close();
}

async function axed() {
  step("axe");
  // axe, in contexts that bypass the policy, which is tested apart.
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [360, 1600]) {
      await withContext({ colorScheme, bypassCSP: true, viewport: { width, height: 900 } }, async (context) => {
        const form = await context.newPage();
        await form.goto(`${base}/login`);
        const check = async (page, name) => {
          await page.evaluate(axe);
          const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
          for (const violation of result.violations) {
            const nodes = violation.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 200)} ${node.failureSummary}`);
            wrong(`axe ${violation.id}`, `${name} ${colorScheme} ${width}: ${violation.help}: ${nodes.join(" | ")}`);
          }
        };
        await check(form, "login");
        await form.close();
        await login(context);
        for (const [name, path] of Object.entries(pages)) {
          step(`axe ${name} ${colorScheme} ${width}`);
          const page = await context.newPage();
          await page.goto(`${base}${path}`);
          await settled(page);
          await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
          await check(page, name);
          await page.close();
        }
      });
    }
  }

}

async function withoutScripts() {
  step("without scripts");
  // Without scripts everything is there, and a form works.
  await withContext({ javaScriptEnabled: false, viewport: { width: 1024, height: 900 } }, async (context) => {
    const page = await context.newPage();
    watch(page, "without scripts");
    await page.goto(`${base}/`);
    await page.fill("#token", token);
    await page.click("form.login button");
    for (const [name, path] of Object.entries(pages)) {
      await page.goto(`${base}${path}`);
      if ((await page.locator("h1").count()) !== 1) wrong("without scripts", `${name} has no heading`);
      if (pictures && name === "overview") await page.screenshot({ path: `${pictures}/without-scripts.png` });
    }
    await page.goto(`${base}/`);
    await page.selectOption("select[name=state]", "blocked");
    await page.click("form.filter button");
    if (!page.url().includes("state=blocked")) wrong("without scripts", `the filter leads to ${page.url()}`);
  });

}

async function policy() {
  step("policy");
  // The policy blocks what slips through.
  await withContext({}, async (context) => {
    await login(context);
    const page = await context.newPage();
    await page.goto(`${base}/`);
    await settled(page);
    const blocked = await page.evaluate(() => new Promise((resolve) => {
      const seen = new Set();
      document.addEventListener("securitypolicyviolation", (event) => seen.add(event.effectiveDirective));
      const place = document.createElement("div");
      place.innerHTML = "<img src='https://evil.example.com/x.png'><p style='color:red' onclick='globalThis.hacked=1'>x</p>";
      document.querySelector("main").append(place);
      place.querySelector("p").click();
      const script = document.createElement("script");
      script.textContent = "globalThis.hacked = 1";
      document.body.append(script);
      fetch("https://evil.example.com/").catch(() => {});
      setTimeout(() => resolve({ seen: [...seen], hacked: globalThis.hacked === 1 }), 500);
    }));
    if (blocked.hacked) wrong("policy", "a script ran");
    for (const directive of ["img-src", "connect-src", "script-src-elem", "script-src-attr", "style-src-attr"]) {
      if (!blocked.seen.includes(directive)) wrong("policy", `${directive} blocks nothing: ${blocked.seen}`);
    }
  });

}

// What the browser holds.
async function holds(context, page) {
  const client = await context.newCDPSession(page);
  await client.send("Performance.enable");
  return async () => {
    await client.send("HeapProfiler.collectGarbage");
    const { metrics } = await client.send("Performance.getMetrics");
    const value = (name) => metrics.find((metric) => metric.name === name).value;
    return { nodes: value("Nodes"), listeners: value("JSEventListeners"), heap: value("JSHeapUsedSize") };
  };
}

function hasGrown(what, before, after) {
  if (after.nodes > before.nodes * 1.2 + 200) wrong("memory", `${what}: ${before.nodes} nodes became ${after.nodes}`);
  if (after.listeners > before.listeners + 5) wrong("memory", `${what}: ${before.listeners} listeners became ${after.listeners}`);
  if (after.heap > before.heap * 1.5 + 2e6) wrong("memory", `${what}: ${before.heap} bytes became ${after.heap}`);
}

async function printed() {
  step("printed");
  // On paper, for a reader with the dark theme: nothing is cut or dark, and nothing is there that only works on a screen.
  const paper = { width: 1047, height: 718 };
  await withContext({ colorScheme: "dark", viewport: paper }, async (context) => {
    await login(context);
    for (const [name, path] of Object.entries(pages)) {
      const page = await context.newPage();
      watch(page, `${name} printed`);
      await page.goto(`${base}${path}`);
      await settled(page);
      await page.emulateMedia({ media: "print", colorScheme: "dark" });
      const problems = await page.evaluate(() => {
        const problems = [];
        const brightness = (color) => {
          const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
          return alpha === 0 ? null : (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
        };
        const name = (element) => `${element.tagName}.${element.getAttribute("class") ?? ""} ${element.textContent.trim().slice(0, 40)}`;
        const isShown = (element) => element.checkVisibility() && element.getBoundingClientRect().width > 1;
        const ground = brightness(getComputedStyle(document.body).backgroundColor);
        if (ground === null || ground < 0.95) problems.push(`the ground is ${getComputedStyle(document.body).backgroundColor}`);
        const text = brightness(getComputedStyle(document.body).color);
        if (text > 0.2) problems.push(`the text is ${getComputedStyle(document.body).color}`);
        for (const element of document.body.querySelectorAll("*")) {
          if (!isShown(element) || element.closest("svg") || element.matches(".hidden, thead, thead *")) continue;
          const style = getComputedStyle(element);
          const own = brightness(style.backgroundColor);
          // Of small signs some are dark on purpose.
          if (own !== null && own < 0.5 && !element.matches(".badge, .cell")) problems.push(`dark: ${name(element)}`);
          if (element.matches("button, input, select, nav, .skip")) problems.push(`only for screens: ${name(element)}`);
          const cutsX = style.overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1;
          const cutsY = style.overflowY !== "visible" && element.scrollHeight > element.clientHeight + 1;
          if (cutsX || cutsY) problems.push(`cut: ${name(element)}`);
          if (element.getBoundingClientRect().right > document.documentElement.clientWidth + 1) problems.push(`off the paper: ${name(element)}`);
        }
        for (const part of document.querySelectorAll("details")) {
          const inside = [...part.children].find((child) => child.tagName !== "SUMMARY");
          if (inside && part.checkVisibility() && !inside.checkVisibility({ contentVisibilityAuto: true })) problems.push(`folded: ${name(part)}`);
        }
        return problems.slice(0, 8);
      });
      for (const problem of problems) wrong("printed", `${name}: ${problem}`);
      if (pictures) {
        await page.screenshot({ path: `${pictures}/${name}-printed.png`, fullPage: true });
        await page.pdf({ path: `${pictures}/${name}.pdf`, format: "A4", preferCSSPageSize: true, printBackground: false });
      }
      await page.close();
    }
  });
}

async function week() {
  step("a week");
  // A page that is open for a week, of which the clock is moved: five hundred changes, each read and shown, and the connection
  // is made anew whenever the machine has slept.
  await withContext({ viewport: { width: 1600, height: 900 } }, async (context) => {
    await login(context);
    const page = await context.newPage();
    watch(page, "a week");
    await page.clock.install({ time: Date.now() });
    // The stream is in the hands of this program; what a change leads to is the server's.
    await page.addInitScript(() => {
      const open = new Set();
      globalThis.EventSource = class extends EventTarget {
        constructor() {
          super();
          open.add(this);
        }
        close() {
          open.delete(this);
        }
      };
      globalThis.streams = {
        count: () => open.size,
        tell: (kind, data) => open.forEach((source) => source.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data) }))),
      };
    });
    let read = 0;
    page.on("response", (response) => {
      if (response.request().resourceType() === "fetch") read += 1;
    });
    await page.goto(`${base}${pages.filtered}`);
    await settled(page);
    await page.evaluate(() => globalThis.streams.tell("hello", { version: Number(document.getElementById("main").dataset.version), pages: [] }));
    const size = await holds(context, page);
    const CHANGES = 500;
    const PAUSE = (7 * 24 * 3600 * 1000) / CHANGES;
    const change = async (number) => {
      await page.clock.fastForward(PAUSE);
      const before = read;
      await page.evaluate((version) => {
        globalThis.streams.tell("changed", { version, pages: ["/"] });
        document.querySelector("main > *").dataset.mark = "old";
      }, 1_000_000 + number);
      await page.clock.runFor(1000);
      await page.waitForFunction(() => document.querySelector("main > *").dataset.mark !== "old", null, { timeout: 10000 })
        .catch(() => wrong("a week", `change ${number} is not shown`));
      if (read === before) wrong("a week", `after change ${number} nothing was read`);
    };
    for (let number = 0; number < 20; number += 1) await change(number);
    const before = await size();
    for (let number = 20; number < CHANGES; number += 1) await change(number);
    hasGrown("a week", before, await size());
    const streams = await page.evaluate(() => globalThis.streams.count());
    if (streams !== 1) wrong("a week", `${streams} streams are open`);
    // The clock of the page says that a week has passed; the times of the server are as they were.
    const ages = await page.evaluate(() => {
      const now = Date.now();
      return [...document.querySelectorAll("main time[data-age]")].map((time) => ({
        words: time.textContent,
        days: (now - Date.parse(time.dateTime)) / 86_400_000,
      }));
    });
    if (ages.length < 10) wrong("a week", `${ages.length} ages`);
    for (const { words, days } of ages) {
      const [, shown] = words.match(/(\d+) d\b/) ?? [];
      if (days >= 7 && Math.floor(days) !== Number(shown)) wrong("a week", `after ${days} days it says ${words}`);
    }
    const state = await page.evaluate(() => document.getElementById("connection").dataset.state);
    if (state !== "live") wrong("a week", `the page says that it is ${state}`);
  });
}

async function live() {
  step("live");
  // A change arrives in an open page; what its reader does stays; a lost connection is said and heals.
  await withContext({ viewport: { width: 1600, height: 900 } }, async (context) => {
    await login(context);
    const page = await context.newPage();
    let away = false;
    watch(page, "live", () => away);
    await page.goto(`${base}/`);
    await settled(page);
    const path = pages.live;
    const release = await context.newPage();
    watch(release, "live release", () => away);
    await release.goto(`${base}${path}`);
    await settled(release);
    await release.waitForFunction(() => document.getElementById("connection").dataset.state === "live");
    await page.waitForFunction(() => document.getElementById("connection").dataset.state === "live");
    const summary = release.locator("details summary").first();
    await summary.focus();
    await release.keyboard.press("Enter");
    const asked = Date.now();
    await please("change 0");
    await page.waitForFunction(() => document.querySelector("main").textContent.includes("changed 0 times"), null, { timeout: 15000 })
      .catch(() => wrong("live", "the overview does not show the change"));
    await release.waitForFunction(() => document.querySelector("main").textContent.includes("changed 0 times"), null, { timeout: 15000 })
      .catch(() => wrong("live", "the release does not show the change"));
    const took = Date.now() - asked;
    // One pause between two looks of the server, and two seconds.
    if (took > 4000) wrong("live", `a change took ${took} ms`);
    if (!(await release.evaluate(() => document.querySelector("details").open))) wrong("live", "an open part has closed");
    const focus = await release.evaluate(() => document.activeElement.tagName);
    if (focus !== "SUMMARY") wrong("live", `the focus went to ${focus}`);

    const size = await holds(context, page);
    const changed = async (number) => {
      await please(`change ${number}`);
      await page.waitForFunction((words) => document.querySelector("main").textContent.includes(words), `changed ${number} times`, { timeout: 15000 })
        .catch(() => wrong("live", `change ${number} does not arrive`));
    };
    for (let number = 1; number <= 5; number += 1) await changed(number);
    const before = await size();
    for (let number = 6; number <= 20; number += 1) await changed(number);
    hasGrown("twenty changes", before, await size());

    step("away");
    away = true;
    await please("stop");
    await page.waitForFunction(() => document.getElementById("connection").dataset.state === "lost", null, { timeout: 20000 })
      .catch(() => wrong("live", "a lost connection is not said"));
    if (pictures) await page.screenshot({ path: `${pictures}/lost.png` });
    await please("start");
    step("back");
    // The logins were in the memory of the server.
    await page.waitForFunction(() => document.querySelector("h1").textContent === "Log in", null, { timeout: 60000 })
      .catch(() => wrong("live", "a page of an ended login does not ask for one"));
    step("asked to log in");
    await page.fill("#token", token);
    await page.click("form.login button");
    await settled(page);
    step("logged in again");
    away = false;
    await changed(21);
  });
}

const parts = { looked, axed, withoutScripts, policy, printed, week, live };
// The script alone: events, the clock and answers that fail are given to it.
async function script() {
  step("script");
  await withContext({ viewport: { width: 1024, height: 900 } }, async (context) => {
    await login(context);
    await context.addInitScript(() => {
      const sources = [];
      globalThis.EventSource = class extends EventTarget {
        static CONNECTING = 0;
        static CLOSED = 2;
        readyState = 1;
        constructor() {
          super();
          sources.push(this);
        }
        close() {
          this.readyState = 2;
        }
      };
      const real = globalThis.fetch;
      const world = {
        reads: 0,
        status: 0,
        version: 0,
        open: () => sources.filter((source) => source.readyState !== 2).length,
        send: (kind, pages) => {
          const data = JSON.stringify(kind === "beat" ? world.version : { version: world.version, pages });
          sources.at(-1).dispatchEvent(new MessageEvent(kind, { data }));
        },
        lose: () => {
          const source = sources.at(-1);
          source.readyState = 2;
          source.onerror?.();
        },
        show: (state) => {
          Object.defineProperty(document, "visibilityState", { get: () => state, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        },
      };
      globalThis.world = world;
      globalThis.fetch = async (...request) => {
        world.reads += 1;
        if (world.status) return new Response('<main id="main"><h1>It failed</h1></main>', { status: world.status });
        const [answer, version] = [await real(...request), world.version];
        return new Response((await answer.text()).replace(/data-version="\d+"/, `data-version="${version}"`), answer);
      };
    });
    const open = async (path) => {
      const page = await context.newPage();
      watch(page, "script", () => true);
      await page.clock.install();
      await page.goto(`${base}${path}`);
      await page.evaluate(() => (world.version = Number(document.getElementById("main").dataset.version)));
      const tell = (kind, step, pages = []) => page.evaluate(([kind, step, pages]) => {
        world.version += step;
        world.send(kind, pages);
      }, [kind, step, pages]);
      // Answers come in real time.
      const pass = async (seconds) => {
        for (let passed = 0; passed < seconds; passed += 5) {
          await page.clock.runFor(5000);
          await page.waitForTimeout(50);
        }
      };
      const reads = async (work) => {
        const before = await page.evaluate(() => world.reads);
        await work();
        return (await page.evaluate(() => world.reads)) - before;
      };
      const expect = async (what, wanted, find) => {
        const value = await page.evaluate(find);
        if (value !== wanted) wrong("script", `${what}: ${value}, not ${wanted}`);
      };
      const state = () => document.getElementById("connection").dataset.state;
      return { page, tell, pass, reads, expect, state };
    };

    const { page, tell, pass, reads, expect, state } = await open(pages.live);
    const count = async (what, least, most, work) => {
      const number = await reads(work);
      if (number < least || number > most) wrong("script", `${what}: ${number} reads`);
    };
    await page.clock.runFor(1000);
    await tell("hello", 0);
    await expect("a page that hears", "live", state);
    await count("a change of another page", 0, 0, async () => {
      await tell("changed", 1, ["/other"]);
      await tell("beat", 0);
      await pass(5);
    });
    await count("a change that was missed", 1, 1, async () => {
      await tell("changed", 2, ["/other"]);
      await pass(5);
    });
    await count("a minute without a change", 1, 1, async () => {
      await pass(30);
      await tell("beat", 0);
      await pass(35);
      await tell("beat", 0);
      await pass(5);
      await tell("beat", 0);
      await pass(5);
    });
    await page.evaluate(() => (world.status = 502));
    await tell("changed", 1, ["*"]);
    await pass(5);
    await expect("a page that could not be refreshed", "lost", state);
    await tell("beat", 0);
    await tell("beat", 0);
    await expect("a beat over old content", "lost", state);
    await expect("what was shown before", false, () => document.querySelector("h1").textContent === "It failed");
    for (let number = 0; number < 6; number += 1) {
      await tell("changed", 1, ["*"]);
      await page.evaluate(() => world.lose());
      await pass(15);
    }
    await count("a server that fails for two minutes", 10, 16, () => pass(120));
    await page.evaluate(() => (world.status = 0));
    await pass(15);
    await tell("hello", 0);
    await expect("a server that answers again", "live", state);
    await page.evaluate(() => world.show("hidden"));
    await expect("connections of a hidden page", 0, () => world.open());
    await count("a hidden page", 0, 0, () => pass(120));
    await page.evaluate(() => world.show("visible"));
    await expect("connections of a page that is seen again", 1, () => world.open());
    await count("a page that is seen again", 1, 1, async () => {
      await tell("hello", 3);
      await pass(5);
    });
    await count("a page that is hidden before it is read, and seen again", 1, 1, async () => {
      await tell("changed", 1, ["*"]);
      await page.evaluate(() => world.show("hidden"));
      await pass(5);
      await page.evaluate(() => world.show("visible"));
      await tell("hello", 0);
      await pass(5);
    });
    await page.close();

    // A first look that fails.
    await context.route(`${base}/`, async (route) => {
      const answer = await route.fetch();
      const loading = '$1<h1>Reading…</h1><p class="loading">reading</p></main>';
      await route.fulfill({ response: answer, body: (await answer.text()).replace(/(<main[^>]*>)[^]*<\/main>/, loading) });
    }, { times: 1 });
    const first = await open("/");
    await first.page.evaluate(() => (world.status = 502));
    await first.pass(5);
    await first.expect("a first look that failed", "It failed", () => document.querySelector("h1").textContent);
    await first.page.evaluate(() => (world.status = 0));
    await first.pass(15);
    await first.expect("a look that succeeds at last", "Releases", () => document.querySelector("h1").textContent);
    await first.page.close();
  });
}
parts.script = script;

const wanted = process.env.DASHBOARD_PARTS?.split(",") ?? Object.keys(parts);
for (const name of wanted) {
  try {
    await parts[name]();
  } catch (error) {
    wrong(`${name} ended early`, error.stack ?? error);
  }
}
await browser.close();
console.log(JSON.stringify(found));
// Or the program would wait for more answers.
process.stdin.destroy();
