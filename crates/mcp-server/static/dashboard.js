// Keeps an open page right: hears which pages have changed, and replaces the main part by the new one. Without it every page
// works, and reads itself anew each minute.
"use strict";

(() => {
  const main = document.getElementById("main");
  const connection = document.getElementById("connection");
  const PAUSE = { first: 2000, longest: 60000 };
  let pause = PAUSE.first;
  let source = null;
  let lastHeard = Date.now();
  let reading = false;
  let again = false;

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
    const kept = form && form.contains(document.activeElement) ? document.activeElement : null;
    main.replaceChildren(...fresh.childNodes);
    for (const name of ["version", "events", "path"]) {
      if (fresh.dataset[name] !== undefined) main.dataset[name] = fresh.dataset[name];
    }
    for (const [key, part] of places(main)) {
      if (open.has(key)) part.open = true;
      const [left, top] = scrolled.get(key) ?? [0, 0];
      if (left || top) part.scrollTo(left, top);
      if (key === focused && !kept) part.focus({ preventScroll: true });
    }
    kept?.focus({ preventScroll: true });
    showAges();
  }

  async function read() {
    if (reading) {
      again = true;
      return;
    }
    reading = true;
    try {
      const answer = await fetch(location.href, {
        headers: { Accept: "text/html" },
        redirect: "manual",
        credentials: "same-origin",
        cache: "no-cache",
      });
      if (answer.type === "opaqueredirect" || answer.status === 401) {
        location.reload();
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (!answer.ok || !fresh) {
        say("lost", `Could not be refreshed (${answer.status}) at ${clock()}; trying again`);
        setTimeout(read, 10000);
        return;
      }
      document.title = page.title;
      replace(document.importNode(fresh, true));
      say("live", `Live · ${clock()}`);
    } catch {
      say("lost", `Connection lost at ${clock()}; what is shown is older. Trying again`);
    } finally {
      reading = false;
      if (again) {
        again = false;
        setTimeout(read, 200);
      }
    }
  }

  // Viewers that hear of a change at the same moment do not all ask at the same moment.
  let planned = 0;
  function soon() {
    if (planned) return;
    planned = setTimeout(() => {
      planned = 0;
      read();
    }, 50 + Math.random() * 400);
  }

  function heard(event) {
    lastHeard = Date.now();
    pause = PAUSE.first;
    const data = JSON.parse(event.data);
    const pages = data.pages ?? [];
    const version = typeof data === "number" ? data : data.version;
    const concerns = pages.includes("*") || pages.includes(main.dataset.path);
    const missed = event.type !== "changed" && Number(main.dataset.version) !== version;
    if (concerns || missed) {
      if (missed) main.dataset.version = String(version);
      soon();
    } else {
      say("live", `Live · ${clock()}`);
    }
  }

  function listen() {
    if (!main.dataset.events) return;
    source?.close();
    source = new EventSource(main.dataset.events);
    for (const kind of ["hello", "changed", "beat"]) source.addEventListener(kind, heard);
    // The server ends each stream some time; that is no lost connection.
    source.addEventListener("again", () => {
      source.close();
      setTimeout(listen, Math.random() * 3000);
    });
    source.onerror = () => {
      say("lost", `Connection lost at ${clock()}; what is shown is older. Connecting again`);
      // A browser that was refused does not try again by itself.
      if (source.readyState === EventSource.CLOSED) retry();
    };
  }

  let waiting = 0;
  function retry() {
    if (waiting) return;
    waiting = setTimeout(async () => {
      waiting = 0;
      pause = Math.min(pause * 2, PAUSE.longest);
      await read();
      listen();
    }, pause * (0.5 + Math.random() / 2));
  }

  // A connection can be lost without either side noticing.
  setInterval(() => {
    showAges();
    if (source && Date.now() - lastHeard > 60000) {
      lastHeard = Date.now();
      say("lost", `Connection lost at ${clock()}; what is shown is older. Connecting again`);
      listen();
    }
  }, 15000);

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") showAges();
  });

  // A choice shows its answer at once; without scripts the button does.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("#filter");
    if (form && event.target.tagName === "SELECT") form.requestSubmit();
  });

  showAges();
  if (main.dataset.events) listen();
  else if (main.dataset.retry) setTimeout(() => location.reload(), Number(main.dataset.retry) * 1000);
})();
