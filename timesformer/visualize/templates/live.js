// The words of the page, the connection, and when what is drawn.
const byId = (id) => document.getElementById(id), LEAST_PAUSE = 100, SILENCE = 15000, MOST_ROWS = 50; // ms, ms, events
const bars = [...document.querySelectorAll("#likeliest li")];
let events = null, heard = 0, lateness = 0, offline = null, drawn = 0, planned = 0, said = "", saidSince = 0;
const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const percent = (p) => `${(100 * p).toFixed(1)} %`, duration = (s) =>
  (s == null ? "–" : s >= 0.9995 ? `${s.toFixed(2)} s` : `${(1000 * s).toFixed(s < 0.0995 ? 1 : 0)} ms`);
const serverNow = () => Date.now() / 1000 + lateness;

// An announced class first (of several the likeliest), else the likeliest class.
function currentClass() {
  const last = stream.windows.at(-1);
  if (!last?.readable) return null;
  const p = (k) => last.p[last.k.indexOf(k)] ?? 0;
  const running = stream.events.filter((event) => isOpen(event) && event.timeline === stream.timeline)
    .map((event) => ({ k: stream.names.indexOf(event.label), since: event.start, announced: true }))
    .sort((a, b) => p(b.k) - p(a.k));
  const best = running[0] ?? { k: last.k[0], since: stream.since?.at ?? 0, announced: false };
  return { ...best, p: p(best.k), name: stream.names[best.k], until: last.end, also: running.slice(1).map(({ k }) => stream.names[k]) };
}

function showCurrent() {
  const now = currentClass(), last = stream.windows.at(-1);
  const isLive = ["live", "connecting"].includes(stateOfSource()[0]);
  put(byId("now-head"), isLive ? "Now" : "Last");
  put(byId("label"), now?.name ?? "–");
  byId("label").title = now?.name ?? "";
  byId("label").classList.toggle("unsure", !now?.announced || !isLive);
  put(byId("since"), !now ? (last ? "this part could not be read" : "no window yet")
    : `${percent(now.p)} · ${now.announced ? "since" : "likeliest since"} ${clock(now.since)} (${clock(Math.max(now.until - now.since, 0))})`
      + (now.also.length ? ` · also ${now.also.join(", ")}` : "") + (now.announced ? "" : " · not announced"));
  bars.forEach((bar, i) => {
    bar.style.visibility = stream.about && i >= stream.names.length ? "hidden" : "";
    const [name, meter, value] = bar.children, k = last?.k[i], p = last?.p[i];
    put(name, k === undefined ? "" : stream.names[k] ?? "");
    name.title = name.textContent;
    meter.style.setProperty("--v", k === undefined ? 0 : 100 * p);
    put(value, k === undefined ? "" : percent(p));
  });
  const name = now ? (now.announced ? now.name : "no class announced") : "";
  if (name !== said && Date.now() - saidSince > 2000) { // a screen reader is not told each flicker
    [said, saidSince] = [name, Date.now()];
    put(byId("announcement"), name);
  }
  const source = stream.about?.title;
  document.title = [now?.announced && !stream.summary ? now.name : null, source ? `Live: ${source}` : "Live"].filter(Boolean).join(" · ");
}

function stateOfSource() {
  const silent = serverNow() - stream.newest, { about, summary, source } = stream;
  if (summary) return ["ended", "ended", `after ${clock(summary.stream_seconds)} of stream`];
  if (offline !== null) return ["offline", "no connection", "to the process that watches; trying again"];
  if (!about) return ["connecting", "waiting", "for the stream to begin"];
  if (source?.what === "lost") {
    const left = source.retry_in == null ? null : Math.max(Math.ceil(source.received + source.retry_in - serverNow()), 0);
    return ["lost", "source lost", [source.reason, left === null ? "" : left ? `retry in ${left} s` : "trying again"].filter(Boolean).join("; ")];
  }
  if (!stream.newest) return ["connecting", "waiting", "for the first window"];
  if (silent > Math.max(5, (5 * about.stride) / (about.speed ?? 1))) return ["quiet", "quiet", `no window for ${clock(silent)}`];
  return ["live", "live", source?.what === "changed" ? source.reason : ""];
}

function showState() {
  const [state, word, text] = stateOfSource(), { about } = stream;
  byId("state").dataset.state = state;
  put(byId("state").querySelector("b"), word);
  put(byId("state").querySelector("span"), text);
  if (!about) return;
  put(document.querySelector("h1"), `Live: ${about.title}`);
  document.querySelector("h1").title = about.source;
  put(byId("about"), byId("about").title = [about.model, about.weights.split("/").pop(), `windows of ${+about.span.toFixed(2)} s every ${+about.stride.toFixed(2)} s`,
    `${about.device}, ${about.precision}`, ...(about.speed ? [`speed ×${about.speed}`] : [])].join(" · "));
}

function showFigures() {
  const { summary } = stream, first = stream.edge - shownSeconds;
  const due = stream.scored + stream.numSkipped, total = summary?.latency.total;
  const sorted = total ? [] : stream.windows.filter((each) => each.at >= first && each.latency != null).map((each) => each.latency).sort((a, b) => a - b);
  const share = due ? ` (${((100 * stream.numSkipped) / due).toFixed(1)} %)` : "";
  const rows = [
    ["latency p50", duration(total ? total.p50 : quantile(sorted, 0.5))], ["latency p95", duration(total ? total.p95 : quantile(sorted, 0.95))],
    ["windows scored", stream.scored.toLocaleString("en")], ["windows skipped", stream.numSkipped.toLocaleString("en") + share],
    ["stream time", clock(summary ? summary.stream_seconds : Math.max(stream.edge - (stream.offsets.get(stream.timeline) ?? 0), 0))],
    ["reconnects", String(summary ? summary.reconnects : stream.reconnects)],
  ];
  if (summary) rows.push(["frames", summary.frames.toLocaleString("en")], ["frames a second", summary.fps.toFixed(1)], ["wall time", clock(summary.wall_seconds)]);
  const list = byId("figures");
  while (list.children.length < 2 * rows.length) list.append(document.createElement("dt"), document.createElement("dd"));
  while (list.children.length > 2 * rows.length) list.lastChild.remove();
  rows.flat().forEach((text, i) => put(list.children[i], text));
  byId("parts").hidden = !summary;
  fill(byId("parts").tBodies[0], Object.entries(summary?.latency ?? {}).map(([part, of]) =>
    [part, ...["p50", "p95", "p99", "max"].map((name) => (of[name] == null ? "–" : (1000 * of[name]).toFixed(1)))]), ["", "n", "n", "n", "n"]);
}

function row(classes) {
  const tr = document.createElement("tr");
  tr.append(...classes.map((className) => Object.assign(document.createElement("td"), { className })));
  return tr;
}

// As many rows as there are texts; a row that is there already stays.
function fill(body, rows, classes) {
  while (body.rows.length < rows.length) body.append(row(classes));
  while (body.rows.length > rows.length) body.lastElementChild.remove();
  rows.forEach((texts, i) => texts.forEach((text, j) => put(body.rows[i].cells[j], text)));
}

function showEvents() {
  const body = byId("events"), shown = stream.events.slice(0, MOST_ROWS);
  if (body.rows[0]?.cells.length === 1) body.replaceChildren(); // none yet
  fill(body, shown.map((event) => [
    new Date(1000 * event.clock).toLocaleTimeString("en-GB"), clock(event.start, 1),
    `${Math.max((event.to ?? stream.edge) - event.from, 0).toFixed(1)} s`,
    event.label + (event.kind === "withdrawn" ? " (withdrawn)" : ""), percent(event.score),
  ]), ["where", "n", "n", "name", "n"]);
  shown.forEach((event, i) => {
    body.rows[i].className = { start: "running", withdrawn: "withdrawn" }[event.kind] ?? "";
    body.rows[i].cells[3].title = event.label;
  });
  if (shown.length) return;
  fill(body, [["none yet"]], ["note"]);
  body.rows[0].cells[0].colSpan = 5;
}

// Words that change slowly are written once a second, the rest at most ten times; nothing while the tab is hidden.
function draw() {
  planned = 0;
  if (document.hidden) return;
  drawn = performance.now();
  showCurrent();
  drawChart();
}
function plan() { planned ||= setTimeout(() => requestAnimationFrame(draw), Math.max(LEAST_PAUSE - (performance.now() - drawn), 0)); }
function everySecond() {
  if (offline === null && events && heard && performance.now() - heard > SILENCE) connect();
  if (document.hidden) { showCurrent(); return; } // the title alone can be seen
  chooseLanes();
  showState();
  showFigures();
  showEvents();
  plan();
}

// The newest picture; the next one is asked for when this one is there.
const box = byId("picture");
let pictureNumber = 0, newestPicture = 0, pictureLoading = false;
function showPicture(number) {
  if (!box || !number || number === pictureNumber || pictureLoading || document.hidden) return;
  const next = Object.assign(new Image(), { alt: "newest picture of the stream" });
  pictureLoading = true;
  next.onload = () => {
    box.replaceChildren(next);
    [pictureNumber, pictureLoading] = [number, false];
    showPicture(newestPicture);
  };
  next.onerror = () => { pictureLoading = false; };
  next.src = `picture?${number}`;
}

function connect() {
  events?.close();
  events = new EventSource("events");
  heard = performance.now();
  events.onmessage = ({ data }) => {
    const message = JSON.parse(data), urgent = message.restart || message.lines.some(({ kind }) => kind !== "window" && kind !== "skipped");
    [heard, offline, lateness] = [performance.now(), null, message.now - Date.now() / 1000];
    receive(message);
    showPicture(newestPicture = message.picture);
    if (urgent && !document.hidden) everySecond(); else plan();
  };
  events.onerror = () => {
    offline ??= performance.now();
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, 2000); // refused: it does not try by itself
    showState();
  };
}

addEventListener("visibilitychange", () => { if (!document.hidden) everySecond(); });
addEventListener("resize", plan);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", plan);
for (const input of document.querySelectorAll("[name=minutes]")) {
  input.onchange = () => { shownSeconds = 60 * input.value; everySecond(); };
}
setInterval(everySecond, 1000);
connect();
everySecond();
