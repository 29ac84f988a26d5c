// What is known of the stream. Times are seconds on one axis: each timeline has its offset on it.
const KEPT_SECONDS = 600, MOST_EVENTS = 200;
const stream = {};
function restart() {
  Object.assign(stream, {
    about: null, names: [], offsets: new Map([[0, 0]]), timeline: 0, edge: 0, windows: [], skipped: [], gaps: [],
    events: [], source: null, summary: null, since: null, newest: 0, scored: 0, numSkipped: 0, reconnects: 0,
  });
}
restart();

const axis = (line, seconds) => (stream.offsets.get(line.timeline) ?? 0) + seconds;

function addWindow(line) {
  const at = axis(line, (line.start + line.end) / 2), best = line.k[0], last = stream.windows.at(-1);
  const readable = line.probability !== null && line.k.length > 0;
  stream.windows.push({ at, end: line.end, k: readable ? line.k : [], p: readable ? line.p : [], readable,
    latency: line.latency, timeline: line.timeline });
  if (readable && (last?.timeline !== line.timeline || stream.since?.k !== best)) stream.since = { k: best, at: line.start };
  advance(line);
}

function advance(line) {
  stream.newest = line.received;
  stream.edge = Math.max(stream.edge, axis(line, line.end));
  if (stream.source?.what === "lost") stream.source = null; // it is back
}

function isOpen(event) { return event.kind === "start"; }

function addEvent(line) {
  const known = stream.events.find((event) => isOpen(event) && event.timeline === line.timeline && event.label === line.label);
  const event = known ?? { clock: line.received };
  Object.assign(event, line, { from: axis(line, line.start), to: line.end === null ? null : axis(line, line.end) });
  if (!known) stream.events.unshift(event);
  stream.events.length = Math.min(stream.events.length, MOST_EVENTS);
}

const LINES = {
  stream(line) { stream.about = line; stream.names = line.class_names; },
  timeline(line) {
    for (const event of stream.events.filter(isOpen)) Object.assign(event, { kind: "end", to: stream.edge });
    stream.gaps.push({ from: stream.edge, to: line.offset });
    stream.offsets.set(line.number, line.offset);
    for (const number of stream.offsets.keys()) if (stream.offsets.size > 500 && number !== 0) stream.offsets.delete(number);
    stream.timeline = line.number;
    stream.edge = Math.max(stream.edge, line.offset);
    stream.since = null;
  },
  window: addWindow,
  skipped(line) { stream.skipped.push(axis(line, (line.start + line.end) / 2)); advance(line); },
  start: addEvent, end: addEvent, withdrawn: addEvent,
  source(line) {
    stream.source = line;
    if (line.what === "reconnected") { stream.reconnects += 1; stream.newest = line.received; }
  },
  summary(line) { stream.summary = line; },
};

function forget() {
  const first = stream.edge - KEPT_SECONDS;
  const late = stream.windows.findIndex((each) => each.at >= first);
  if (late > 500) stream.windows.splice(0, late);
  const skipped = stream.skipped.findIndex((at) => at >= first);
  if (skipped > 500) stream.skipped.splice(0, skipped);
  stream.gaps = stream.gaps.filter((gap) => gap.to >= first);
}

function receive(message) {
  if (message.restart) restart();
  for (const line of message.lines) LINES[line.kind]?.(line);
  stream.scored = message.scored;
  stream.numSkipped = message.skipped;
  forget();
}

// The value below which a share of the numbers lies: the nearest one.
function quantile(sorted, share) {
  return sorted.length ? sorted[Math.min(Math.ceil(share * sorted.length), sorted.length) - 1] : null;
}

function clock(seconds, digits = 0) {
  const tenths = Math.round(seconds * 10 ** digits) / 10 ** digits, whole = Math.floor(tenths);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, tenths % 60];
  const two = (value, places = 0) => value.toFixed(places).padStart(places ? places + 3 : 2, "0");
  return h ? `${h}:${two(m)}:${two(s, digits)}` : `${m}:${two(s, digits)}`;
}
