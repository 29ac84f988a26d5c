// The time line: curves above, a lane of events for each of a few classes below. The right edge is now.
const chart = document.getElementById("chart"), laneItems = [...document.querySelectorAll("#lanes li")];
const CURVES = 150, LANE = 24, TOP = 8, FOOT = 12; // pixels, as in live.css
let slots = laneItems.map(() => null); // the class of each lane; it keeps its lane while it matters
let shownSeconds = 120;

// Classes of events in view matter most, then those of the highest mean probability in view.
function chooseLanes() {
  const first = stream.edge - shownSeconds, weight = new Map();
  const add = (k, value) => weight.set(k, (weight.get(k) ?? 0) + value);
  if (stream.names.length <= slots.length) {
    slots = slots.map((_, i) => (i < stream.names.length ? i : null));
  } else {
    for (const { at, k, p } of stream.windows) if (at >= first) k.forEach((each, i) => add(each, p[i]));
    for (const event of stream.events) if (event.to === null || event.to >= first) add(stream.names.indexOf(event.label), 1e6);
    for (const k of slots) if (weight.has(k)) add(k, weight.get(k) / 2);
    weight.delete(-1);
    const best = [...weight].sort((a, b) => b[1] - a[1]).slice(0, slots.length).map(([k]) => k);
    const fresh = best.filter((k) => !slots.includes(k));
    slots = slots.map((k) => (best.includes(k) ? k : fresh.shift() ?? null));
  }
  slots.forEach((k, i) => {
    const name = k === null ? "" : stream.names[k], text = laneItems[i].querySelector("span");
    laneItems[i].classList.toggle("free", k === null);
    if (text.textContent !== name) Object.assign(text, { textContent: name, title: name });
  });
}

function drawChart() {
  const width = chart.clientWidth, height = chart.clientHeight, scale = devicePixelRatio || 1;
  const pixels = [Math.round(width * scale), Math.round(height * scale)];
  if (chart.width !== pixels[0] || chart.height !== pixels[1]) [chart.width, chart.height] = pixels;
  const context = chart.getContext("2d"), style = getComputedStyle(chart);
  const colour = (name) => style.getPropertyValue(name).trim();
  const first = stream.edge - shownSeconds, x = (at) => ((at - first) / shownSeconds) * width;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  drawGrid(context, { width, height, colour });
  drawGaps(context, { x, colour });
  drawCurves(context, { x, width });
  drawEvents(context, { x, width });
  context.fillStyle = colour("--wait");
  for (const at of stream.skipped) if (at >= first) context.fillRect(x(at) - 0.5, CURVES - FOOT + 3, 1.5, 7);
}

function drawGrid(context, { width, height, colour }) {
  const y = (p) => CURVES - FOOT - p * (CURVES - FOOT - TOP), lanes = height - 22;
  context.fillStyle = colour("--line");
  for (const p of [0, 0.5, 1]) context.fillRect(0, Math.round(y(p)), width, 1);
  for (let i = 0; i < slots.length; i++) context.fillRect(0, CURVES + i * LANE + LANE / 2, width, 1);
  const { onset, offset } = stream.about?.rules ?? {};
  context.strokeStyle = colour("--soft");
  context.setLineDash([3, 4]);
  context.lineWidth = 1;
  for (const p of [onset, offset]) {
    if (p == null) continue;
    context.beginPath();
    context.moveTo(0, Math.round(y(p)) + 0.5);
    context.lineTo(width, Math.round(y(p)) + 0.5);
    context.stroke();
  }
  context.setLineDash([]);
  context.fillStyle = colour("--soft");
  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const parts = width < 420 ? 2 : shownSeconds > 120 ? 5 : 4, unit = shownSeconds > 120 ? [60, "min"] : [1, "s"];
  for (let i = 0; i <= parts; i++) {
    const back = shownSeconds * (1 - i / parts);
    context.textAlign = i === 0 ? "left" : i === parts ? "right" : "center";
    context.fillText(back ? `−${+(back / unit[0]).toFixed(1)} ${unit[1]}` : "now", (width * i) / parts, lanes + 16);
  }
}

function drawGaps(context, { x, colour }) {
  context.strokeStyle = colour("--line");
  context.lineWidth = 2;
  for (const gap of stream.gaps) {
    const [left, right] = [Math.max(x(gap.from), 0), x(gap.to)], bottom = CURVES + slots.length * LANE;
    if (right <= 0) continue;
    context.save();
    context.beginPath();
    context.rect(left, 0, Math.max(right - left, 2), bottom);
    context.clip();
    context.beginPath();
    for (let at = left - bottom; at < right; at += 7) { context.moveTo(at, bottom); context.lineTo(at + bottom, 0); }
    context.stroke();
    context.restore();
  }
}

// The highest value of each pixel column. Skipped windows are bridged; where a window could not be read, or
// another timeline begins, the curve is broken. Windows that are far apart are dots, too.
function drawCurves(context, { x, width }) {
  const columns = Math.ceil(width), lane = new Map(slots.map((k, i) => [k, i])), places = [];
  const highest = slots.map(() => new Float32Array(columns)), windows = new Array(columns);
  for (const window of stream.windows) {
    const column = Math.floor(x(window.at)), { k, p } = window;
    if (column < 0 || column >= columns) continue;
    if (!windows[column]) places.push(column);
    if (!windows[column]?.readable) windows[column] = window;
    for (let i = 0; i < k.length; i++) {
      const values = highest[lane.get(k[i])];
      if (values && p[i] > values[column]) values[column] = p[i];
    }
  }
  const sparse = places.length > 0 && (places.at(-1) - places[0]) / places.length > 5;
  context.lineWidth = 1.6;
  context.lineJoin = "round";
  slots.forEach((k, i) => {
    if (k === null) return;
    context.strokeStyle = context.fillStyle = COLOURS[i];
    context.beginPath();
    let last = null;
    for (const column of places) {
      const window = windows[column], y = CURVES - FOOT - highest[i][column] * (CURVES - FOOT - TOP);
      if (!window.readable) { last = null; continue; }
      if (last?.timeline !== window.timeline) context.moveTo(column - 0.5, y);
      context.lineTo(column + 0.5, y);
      if (sparse) context.fillRect(column - 1.5, y - 1.5, 4, 4);
      last = window;
    }
    context.stroke();
  });
}

function drawEvents(context, { x, width }) {
  for (const event of stream.events) {
    const i = slots.findIndex((k) => k !== null && stream.names[k] === event.label);
    const left = Math.max(x(event.from), -4), right = Math.min(x(event.to ?? stream.edge), width);
    if (i < 0 || right < 0) continue;
    const top = CURVES + i * LANE + 4, size = [Math.max(right - left, 2), LANE - 7];
    context.fillStyle = context.strokeStyle = COLOURS[i];
    if (event.kind === "withdrawn") {
      context.lineWidth = 1.5;
      context.setLineDash([3, 3]);
      context.strokeRect(left + 0.75, top + 0.75, size[0], size[1] - 1.5);
      context.setLineDash([]);
    } else if (isOpen(event)) {
      context.fillRect(left, top, Math.max(size[0] - 5, 2), size[1]);
      context.fillRect(right - 2.5, top, 2.5, size[1]); // not yet closed
    } else {
      context.fillRect(left, top, ...size);
    }
  }
}
