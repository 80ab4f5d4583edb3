// Keeps an open page right: hears which pages have changed, and replaces the main part by the new one. Without it every page
// works, and is loaded again each minute.
"use strict";

(() => {
  const main = document.getElementById("main");
  const connection = document.getElementById("connection");

  function clock() {
    return new Date().toISOString().slice(11, 16) + " UTC";
  }

  function say(state, words) {
    if (connection.dataset.state !== state || connection.textContent !== words) {
      connection.dataset.state = state;
      connection.textContent = words;
    }
  }

  // How long ago, by the rules of the server.
  function long(seconds) {
    const days = Math.floor(seconds / 86400);
    const hours = Math.floor((seconds % 86400) / 3600);
    const minutes = Math.floor((seconds % 3600) / 60);
    if (days > 0) return `${days} d ${hours} h`;
    if (hours > 0) return `${hours} h ${minutes} min`;
    if (minutes > 0) return `${minutes} min`;
    return `${seconds} s`;
  }

  function short(seconds) {
    if (seconds >= 172800) return `${Math.floor(seconds / 86400)} d`;
    if (seconds >= 7200) return `${Math.floor(seconds / 3600)} h`;
    return `${Math.floor(seconds / 60)} min`;
  }

  function showAges() {
    for (const time of main.querySelectorAll("time[data-age]")) {
      const seconds = Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (!Number.isFinite(seconds)) continue;
      const length = Math.abs(seconds);
      let words;
      if (time.dataset.age === "short") words = (seconds < 0 ? "in " : "") + short(length);
      else words = seconds < 0 ? `(in ${long(length)})` : `(${long(length)} ago)`;
      if (time.textContent !== words) time.textContent = words;
    }
  }

  // What the reader did to the page, by places that the new page has as well.
  function places(root) {
    const seen = new Map();
    const named = new Map();
    for (const part of root.querySelectorAll("details, .scroll, a, button, summary, select, input, pre")) {
      const words = part.tagName === "DETAILS" ? part.querySelector("summary")?.textContent : part.textContent;
      const owner = part.closest("article, tr, li, section");
      const key = [part.tagName, owner?.querySelector("h2, h3, th, a")?.textContent, (words ?? "").slice(0, 80)].join("|");
      const count = seen.get(key) ?? 0;
      seen.set(key, count + 1);
      named.set(`${key}|${count}`, part);
    }
    return named;
  }

  // The words of a part without its times, which change.
  function timeless(part) {
    const copy = part.cloneNode(true);
    for (const time of copy.querySelectorAll("time")) time.remove();
    return copy.textContent;
  }

  function replace(fresh) {
    const before = places(main);
    const open = new Set();
    const scrolled = new Map();
    let focused = null;
    for (const [key, part] of before) {
      if (part.tagName === "DETAILS" && part.open) open.add(key);
      if (part.scrollLeft || part.scrollTop) scrolled.set(key, [part.scrollLeft, part.scrollTop]);
      if (part === document.activeElement) focused = key;
    }
    // A choice that is being made stays.
    const form = main.querySelector("#filter");
    if (form && form.contains(document.activeElement)) fresh.querySelector("#filter")?.replaceWith(form);
    // What was announced already is not announced once more.
    const announced = new Set([...main.querySelectorAll(".problem")].map(timeless));
    for (const problem of fresh.querySelectorAll(".problem[role=alert]")) {
      if (announced.has(timeless(problem))) problem.setAttribute("role", "group");
    }
    main.replaceChildren(...fresh.childNodes);
    for (const name of ["version", "events", "path"]) {
      if (fresh.dataset[name] !== undefined) main.dataset[name] = fresh.dataset[name];
    }
    for (const [key, part] of places(main)) {
      if (open.has(key)) part.open = true;
      const [left, top] = scrolled.get(key) ?? [0, 0];
      if (left || top) part.scrollTo(left, top);
      if (key === focused) part.focus({ preventScroll: true });
    }
    showAges();
  }

  // Reading this page: one request and one timer at a time, however often it is asked for.
  const OLD = 60000;
  const AGAIN = { loading: 2000, failed: 10000, changed: 200 };
  const TIME_LIMIT = 60000;
  const reading = { goesOn: false, again: false, timer: 0, due: Infinity, failed: false, at: Date.now() };
  // Whether a page is shown that an error must not replace.
  let isShown = !isLoading(main);

  function isLoading(root) {
    return root.querySelector(".loading") !== null;
  }

  function isHidden() {
    return document.visibilityState === "hidden";
  }

  function readIn(milliseconds) {
    const due = Date.now() + milliseconds;
    if (isHidden() || due >= reading.due) return;
    clearTimeout(reading.timer);
    reading.due = due;
    reading.timer = setTimeout(read, milliseconds);
  }

  function readNoMore() {
    clearTimeout(reading.timer);
    reading.due = Infinity;
  }

  // Viewers that hear of a change at the same moment do not all ask at the same moment.
  function readSoon() {
    readIn(50 + Math.random() * 400);
  }

  function isOld() {
    // Whoever marks something is not disturbed for the ages alone.
    return Date.now() - reading.at > OLD && document.getSelection().isCollapsed;
  }

  async function read() {
    readNoMore();
    if (reading.goesOn) {
      reading.again = true;
      return;
    }
    reading.goesOn = true;
    try {
      const answer = await fetch(location.href, {
        headers: { Accept: "text/html" },
        redirect: "manual",
        credentials: "same-origin",
        cache: "no-cache",
        signal: AbortSignal.timeout(TIME_LIMIT),
      });
      if (answer.type === "opaqueredirect" || answer.status === 401) {
        location.reload();
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (fresh && (answer.ok || !isShown)) {
        document.title = page.title;
        isShown = answer.ok && !isLoading(fresh);
        replace(document.importNode(fresh, true));
      }
      if (fresh && answer.ok) hasRead();
      else hasFailed(`Could not be refreshed (${answer.status}) at ${clock()}; trying again`);
    } catch {
      hasFailed(`Connection lost at ${clock()}; what is shown is older. Trying again`);
    } finally {
      reading.goesOn = false;
      if (reading.again) readIn(AGAIN.changed);
      reading.again = false;
    }
  }

  function hasRead() {
    reading.failed = false;
    reading.at = Date.now();
    live.version = Number(main.dataset.version);
    say("live", `Live · ${clock()}`);
    if (!isShown) readIn(AGAIN.loading);
  }

  function hasFailed(words) {
    reading.failed = true;
    say("lost", words);
    readIn(AGAIN.failed);
  }

  // Hearing of changes, as long as somebody can see the page: a browser has few connections for all its tabs.
  const PAUSE = { first: 2000, longest: 60000 };
  const SILENCE = 60000;
  const live = { source: null, version: Number(main.dataset.version), heard: Date.now(), pause: PAUSE.first, timer: 0 };

  function heard(event) {
    live.heard = Date.now();
    live.pause = PAUSE.first;
    const data = JSON.parse(event.data);
    const pages = data.pages ?? [];
    const version = typeof data === "number" ? data : data.version;
    const concerns = pages.includes("*") || pages.includes(main.dataset.path);
    const missed = event.type === "changed" ? version > live.version + 1 : version !== live.version;
    // Until the page has been read, the version is that of what is shown: the reading may be given up.
    if (concerns || missed || isOld()) {
      readSoon();
      return;
    }
    live.version = version;
    if (!reading.failed) say("live", `Live · ${clock()}`);
  }

  function listen() {
    if (!main.dataset.events || isHidden()) return;
    live.source?.close();
    live.heard = Date.now();
    const source = new EventSource(main.dataset.events);
    live.source = source;
    for (const kind of ["hello", "changed", "beat"]) source.addEventListener(kind, heard);
    // The server ends each stream some time; that is no lost connection.
    source.addEventListener("again", () => {
      source.close();
      setTimeout(listen, Math.random() * 3000);
    });
    source.onerror = () => {
      say("lost", `Connection lost at ${clock()}; what is shown is older. Connecting again`);
      // A browser that was refused does not try again by itself.
      if (source.readyState === EventSource.CLOSED) listenLater();
    };
  }

  function listenLater() {
    if (live.timer) return;
    live.timer = setTimeout(async () => {
      live.timer = 0;
      live.pause = Math.min(live.pause * 2, PAUSE.longest);
      await read();
      listen();
    }, live.pause * (0.5 + Math.random() / 2));
  }

  function rest() {
    live.source?.close();
    live.source = null;
    clearTimeout(live.timer);
    live.timer = 0;
    readNoMore();
  }

  // A connection can be lost without either side noticing.
  setInterval(() => {
    showAges();
    if (live.source && Date.now() - live.heard > SILENCE) {
      say("lost", `Connection lost at ${clock()}; what is shown is older. Connecting again`);
      listen();
    }
  }, 15000);

  document.addEventListener("visibilitychange", () => {
    if (isHidden()) {
      rest();
      return;
    }
    showAges();
    if (!main.dataset.events) return;
    say("waiting", "Connecting…");
    // The first event says whether something was missed.
    listen();
    if (reading.failed || !isShown) readSoon();
  });

  // A choice shows its answer at once; without scripts the button does.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("#filter");
    if (form && event.target.tagName === "SELECT") form.requestSubmit();
  });

  showAges();
  if (main.dataset.events) {
    listen();
    if (!isShown) readIn(AGAIN.loading);
  } else if (main.dataset.retry) setTimeout(() => location.reload(), Number(main.dataset.retry) * 1000);
})();
