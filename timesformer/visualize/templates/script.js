"use strict";
document.documentElement.classList.add("js");

// Tables: a click on a head sorts by the column; data-v of a cell is its value where its text is not.
const value = (cell) => cell.dataset.v ?? cell.textContent.trim();
function sort(head, table) {
  const descending = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // nothing comes last
    const order = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
    return descending ? -order : order;
  };
  const rows = [...table.tBodies[0].rows].map((row) => [value(row.cells[head.cellIndex]), row]);
  rows.sort((a, b) => compare(a[0], b[0]));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}
for (const table of document.querySelectorAll("table[data-sortable]")) {
  for (const head of table.tHead.querySelectorAll("th")) {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    button.onclick = () => sort(head, table);
    head.append(button);
  }
}

addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = true; // paper has no clicks
});

// Filters: the rows or cards below the element data-filter whose data-text has the typed text.
for (const input of document.querySelectorAll("input[data-filter]")) {
  const target = document.getElementById(input.dataset.filter);
  const all = [...target.querySelectorAll("[data-text]")];
  input.oninput = () => {
    const text = input.value.trim().toLowerCase();
    for (const each of all) each.hidden = !each.dataset.text.toLowerCase().includes(text);
    for (const more of target.querySelectorAll("details")) more.open = text !== "";
    const left = all.filter((each) => !each.hidden).length;
    input.closest(".controls").querySelector("[aria-live]").textContent = text && `${left} of ${all.length}`;
  };
}

// The confusion matrix: rows are [column, count, column, count ...] of each true class.
function showMatrix(box, { names, rows, order }) {
  const canvas = document.createElement("canvas"), [corner, top, left] = box.querySelectorAll(".labels");
  const slider = document.getElementById("zoom"), byLabel = document.getElementById("by-label");
  const readout = document.getElementById("cell"), n = (canvas.width = canvas.height = names.length);
  const counts = rows.map((row) => new Map(row.flatMap((x, i) => (i % 2 ? [] : [[x, row[i + 1]]]))));
  const sums = counts.map((row) => [...row.values()].reduce((a, b) => a + b, 0));
  let shown = order, at = [0, 0], cell = 1;
  const draw = () => {
    const context = canvas.getContext("2d"), style = getComputedStyle(box);
    context.clearRect(0, 0, n, n);
    shown.forEach((k, y) => shown.forEach((p, x) => {
      if (!counts[k].has(p)) return;
      context.fillStyle = style.getPropertyValue(k === p ? "--soft" : "--accent");
      context.globalAlpha = (0.2 + 0.8 * Math.sqrt(counts[k].get(p) / sums[k])) * (k === p ? 0.55 : 1);
      context.fillRect(x, y, 1, 1);
    }));
    const label = (k) => Object.assign(document.createElement("span"), { textContent: names[k] });
    for (const labels of [top, left]) labels.replaceChildren(...shown.map(label));
  };
  const zoom = (x = at[0], y = at[1]) => { // the cell x, y comes into the middle
    const fit = Math.min((box.parentNode.clientWidth - 2) / n, 734 / n, 18); // 46rem of style.css
    cell = fit * (Math.max(20 / fit, 1) ** (slider.value / 100));
    canvas.style.width = canvas.style.height = `${cell * n}px`;
    box.classList.toggle("named", cell >= 10);
    for (const label of top.children) label.style.width = label.style.lineHeight = `${cell}px`;
    for (const label of left.children) label.style.height = label.style.lineHeight = `${cell}px`;
    top.style.fontSize = left.style.fontSize = `${Math.min(cell * 0.8, 12)}px`;
    const [width, height] = [box.clientWidth, box.clientHeight].map((pixels) => pixels - corner.offsetWidth);
    box.scrollTo((x + 0.5) * cell - width / 2, (y + 0.5) * cell - height / 2);
  };
  const show = (x, y) => {
    at = [x, y].map((i) => Math.min(Math.max(i, 0), n - 1));
    const [p, k] = at.map((i) => shown[i]), count = counts[k].get(p) ?? 0;
    const share = sums[k] ? `, ${(100 * count / sums[k]).toFixed(1)} % of ${sums[k]}` : "";
    readout.textContent = `${names[k]} → ${k === p ? "right" : names[p]}: ${count} video${count === 1 ? "" : "s"}${share}`;
  };
  const place = (event) => [event.offsetX, event.offsetY].map((pixel) => Math.floor(pixel / cell));
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.onpointermove = canvas.onclick = (event) => show(...place(event));
  canvas.ondblclick = (event) => {
    const at = place(event);
    slider.value = slider.value > 90 ? 0 : 100;
    zoom(...at);
  };
  box.onkeydown = (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    show(at[0] + step[0], at[1] + step[1]);
    zoom();
  };
  slider.oninput = () => zoom();
  byLabel.onchange = () => {
    shown = byLabel.checked ? names.map((_, k) => k) : order;
    draw();
    zoom();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  box.querySelector("img").replaceWith(canvas);
  draw();
  zoom();
}
const matrix = document.getElementById("matrix");
if (matrix) showMatrix(matrix, JSON.parse(document.getElementById("matrix-data").textContent));
