"use strict";
// Draws the charts, and long tables once they are opened. Numbers are in the unit of the axis, text is ready to show.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const charts = read("charts");
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format;
  const common = { style: { fontSize: "13px", background: "none", color: "var(--text)" }, marginLeft: 8, marginRight: 20 };
  const ROW = 33, LINE = 17; // pixels: a row without its name, and each line of the name

  const pen = document.createElement("canvas").getContext("2d");
  function measure(text, weight = "normal") {
    pen.font = `${weight} 13px ${getComputedStyle(document.body).fontFamily}`;
    return pen.measureText(text).width;
  }

  // Breaks at blanks. A word longer than a line is split after a joining character, or else anywhere.
  function wrapped(text, room) {
    const fits = (part) => measure(part.trimEnd()) <= room;
    const pieces = (word) => word.split(/(?<=[-_\/,:.])|(?=\[)/).flatMap((piece) => (fits(piece) ? [piece] : [...piece]));
    const lines = [""];
    for (const word of text.split(/(?<= )/))
      for (const piece of fits(word) ? [word] : pieces(word)) {
        if (lines.at(-1) && !fits(lines.at(-1) + piece)) lines.push("");
        lines[lines.length - 1] += piece;
      }
    return lines.map((line) => line.trimEnd());
  }

  // Full names stand above their marks, so that long names leave enough room on a phone.
  function rowChart(chart, width, x, marks) {
    const rows = chart.data.rows;
    const widest = Math.max(...rows.map((row) => measure(row.text, "bold")));
    const names = rows.map((row) => wrapped(row.name, width - common.marginLeft - common.marginRight - widest - 16));
    const above = LINE * Math.max(...names.map((lines) => lines.length)); // height of the names in each row
    const at = (row, index) => index;
    const label = { y: at, dy: (above - ROW) / 2 - 1, lineAnchor: "bottom", lineHeight: LINE / 13, ...halo };
    return Plot.plot({
      ...common, width, height: rows.length * (ROW + above) + 56, marginTop: 8, marginBottom: 44,
      x: { label: chart.data.axis, labelAnchor: "left", labelArrow: "none", labelOffset: 40, nice: x.type !== "log", ...x },
      y: { axis: null, type: "band", domain: rows.map(at), padding: 0 },
      marks: [
        Plot.gridX({ ticks: x.ticks, stroke: "var(--line)", strokeOpacity: 1 }),
        Plot.axisX({ ticks: x.ticks, tickFormat: number, label: chart.data.axis, labelAnchor: "left", labelArrow: "none", labelOffset: 40 }),
        ...marks(rows, at, above / 2),
        Plot.text(names, { ...label, text: (lines) => lines.join("\n"), frameAnchor: "left" }),
        Plot.text(rows, { ...label, text: "text", frameAnchor: "right", fontWeight: "bold" }),
      ],
    });
  }

  const halo = { stroke: "var(--raised)", strokeWidth: 4, fill: "var(--text)" };

  function ranges(chart, width) {
    const low = Math.min(...chart.data.rows.map((row) => row.low)), high = Math.max(...chart.data.rows.map((row) => row.high));
    const x = chart.data.log ? { type: "log", ticks: width < 500 ? 3 : 6 } : { zero: true, ticks: width < 500 ? 4 : 8 };
    return rowChart(chart, width, { ...x, domain: [chart.data.log ? low * 0.9 : 0, chart.data.log ? high * 1.1 : high] }, (rows, y, dy) => [
      Plot.ruleY(rows, { y, x1: "low", x2: "high", stroke: "var(--accent)", dy }),
      Plot.ruleY(rows, { y, x1: "q1", x2: "q3", stroke: "var(--band)", strokeWidth: 9, strokeLinecap: "round", dy }),
      Plot.dot(rows, { y, x: "mid", r: 5, fill: "var(--accent)", dy }),
    ]);
  }

  function bars(chart, width) {
    const high = Math.max(...chart.data.rows.map((row) => row.high));
    return rowChart(chart, width, { domain: [0, high], ticks: width < 500 ? 4 : 8 }, (rows, y, dy) => [
      Plot.rect(rows, { y, x1: 0, x2: "value", insetTop: 2 * dy + 9, insetBottom: 8, fill: "var(--band)" }),
      Plot.ruleY(rows, { y, x1: "low", x2: "high", stroke: "var(--accent)", strokeWidth: 2, dy: dy + 0.5 }),
      Plot.tickX(rows, { y, x: "value", stroke: "var(--accent)", strokeWidth: 3, insetTop: 2 * dy + 9, insetBottom: 8 }),
    ]);
  }

  function history(chart, width) {
    const { points, levels, changes, axis, shared } = chart.data;
    const every = Math.max(1, Math.ceil(points.length / Math.max(2, Math.floor(width / 110))));
    const fits = (index) => 52 + ((index + 0.5) / points.length) * (width - 76) + 76 <= width; // width of a label, right of its tick
    const ticks = points.map((_, index) => index).filter((index) => index % every === 0 && fits(index));
    const place = (point, index) => index;
    const dense = points.length > width / 4;
    const colour = { slower: "var(--slower)", faster: "var(--faster)" };
    const label = shared > 1 ? `commits, oldest to newest; ${shared} share a point` : "commits, oldest to newest";
    const top = Math.max(...points.map((point) => point[2]));
    return Plot.plot({
      ...common, width, height: changes.length ? 300 : 265, marginTop: changes.length ? 66 : 32, marginBottom: 66, marginLeft: 52, marginRight: 24,
      x: { type: "linear", domain: [-0.5, points.length - 0.5] },
      y: { domain: [0, top], nice: true },
      marks: [
        Plot.gridY({ ticks: 5, stroke: "var(--line)", strokeOpacity: 1 }),
        Plot.axisY({ ticks: 5, tickFormat: number, label: axis, labelArrow: "none", labelOffset: 48, dy: 0 }),
        Plot.axisX({ ticks, tickFormat: (index) => `${points[index][3]}\n${points[index][4]}`, label, labelArrow: "none", labelAnchor: "left", labelOffset: 62, lineHeight: 1.25, textAnchor: "start", dx: -3 }),
        dense
          ? Plot.areaY(points, { x: place, y1: (point) => point[0], y2: (point) => point[2], fill: "var(--band)", fillOpacity: 0.6 })
          : Plot.ruleX(points, { x: place, y1: (point) => point[0], y2: (point) => point[2], stroke: "var(--band)", strokeWidth: 4 }),
        dense
          ? Plot.line(points, { x: place, y: (point) => point[1], stroke: "var(--accent)", strokeWidth: 1 })
          : Plot.dot(points, { x: place, y: (point) => point[1], r: 3.5, fill: "var(--accent)" }),
        Plot.ruleY(levels, { x1: "x1", x2: "x2", y: "y", stroke: "var(--text)", strokeWidth: 2 }),
        ...changes.map((change) => Plot.ruleX([change], { x: "x", stroke: colour[change.word], strokeWidth: 2, strokeDasharray: "5,3" })),
        ...changes.map((change, index) => Plot.text([change], {
          x: "x", frameAnchor: "top", dy: -12 - 17 * (index % 2), text: () => `${change.word} ${change.text}`, fill: colour[change.word], fontWeight: "bold",
          textAnchor: change.x > points.length * 0.75 ? "end" : change.x < points.length * 0.25 ? "start" : "middle",
        })),
      ],
    });
  }

  function besidePoints(points, right, top, width, height) {
    // Place of each name: the first one that covers no other name, point or edge. Names of points on
    // the front go below it, where the chart is empty; the others go above.
    const placed = points.map(({ x, y }) => ({ across: (x / right) * width, down: (1 - y / top) * height }));
    const taken = [];
    return points.map(({ name, front }, index) => {
      const { across, down } = placed[index], long = name.length * 7.5;
      const [ups, sides] = front ? [[16, 32, 48, -14, -30], [-6, 6]] : [[-14, -30, -46, 16, 32], [6, -6]];
      const places = ups.flatMap((dy) => sides.map((dx) => ({ dx, dy, from: dx > 0 ? across + dx : across + dx - long, down: down + dy })));
      const others = placed.filter((_, other) => other !== index).map((dot) => ({ from: dot.across - 7, long: 14, down: dot.down }));
      const free = (place) =>
        place.from >= 0 && place.from + long <= width && place.down < height - 6 && place.down > -20 &&
        [...taken, ...others].every((other) => place.from > other.from + other.long || place.from + long < other.from || Math.abs(place.down - other.down) > 15);
      const place = places.find(free) ?? places[0];
      taken.push({ ...place, long });
      return place;
    });
  }

  function front(chart, width) {
    const points = chart.data.points;
    const best = points.filter((point) => point.front);
    const [left, height, above, below] = [56, 380, 34, 48];
    const across = points.filter((point) => point.x_ends), upright = points.filter((point) => point.y_ends);
    const right = Math.max(...points.map((point) => point.x_ends?.[1] ?? point.x)) * 1.08;
    const top = Math.max(...points.map((point) => point.y_ends?.[1] ?? point.y)) * 1.12;
    const corners = besidePoints(points, right, top, width - left - common.marginRight, height - above - below);
    const ticks = width < 500 ? 4 : 8;
    return Plot.plot({
      ...common, width, height, marginTop: above, marginBottom: below, marginLeft: left,
      x: { domain: [0, right] },
      y: { domain: [0, top] },
      marks: [
        Plot.gridY({ ticks: 6, stroke: "var(--line)", strokeOpacity: 1 }),
        Plot.gridX({ ticks, stroke: "var(--line)", strokeOpacity: 1 }),
        Plot.axisY({ ticks: 6, tickFormat: number, label: chart.data.axis_y, labelArrow: "none", labelOffset: 52 }),
        Plot.axisX({ ticks, tickFormat: number, label: chart.data.axis, labelArrow: "none", labelAnchor: "left", labelOffset: 42 }),
        Plot.line(best, { x: "x", y: "y", curve: "step-after", stroke: "var(--accent)", strokeWidth: 2 }),
        Plot.ruleY(across, { y: "y", x1: (point) => point.x_ends[0], x2: (point) => point.x_ends[1], stroke: "var(--accent)" }),
        Plot.ruleX(upright, { x: "x", y1: (point) => point.y_ends[0], y2: (point) => point.y_ends[1], stroke: "var(--accent)" }),
        Plot.dot(points, { x: "x", y: "y", r: 6, stroke: "var(--accent)", strokeWidth: 2, fill: (point) => (point.front || !best.length ? "var(--accent)" : "var(--raised)") }),
        ...points.map((point, index) => Plot.text([point], {
          x: "x", y: "y", text: "name", dx: corners[index].dx, dy: corners[index].dy, textAnchor: corners[index].dx > 0 ? "start" : "end", ...halo,
        })),
      ],
    });
  }

  const drawers = { ranges, bars, history, front };

  function draw(place) {
    const chart = charts[place.dataset.chart];
    const drawn = drawers[chart.kind](chart, Math.max(240, place.clientWidth));
    for (const part of drawn.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label"); // the chart is one picture
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", `${chart.title}. ${chart.summary}`);
    place.replaceChildren(drawn);
  }

  const places = [...document.querySelectorAll(".plot")];
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 0));
  let turn = 0;

  function drawAll() {
    // Draws visible charts at once and the rest when idle. A new call ends an earlier one.
    const mine = ++turn;
    const waiting = [...places];
    while (waiting.length && waiting[0].getBoundingClientRect().top < window.innerHeight) draw(waiting.shift());
    performance.mark("screen-drawn");
    const next = () => {
      if (mine !== turn) return;
      if (waiting.length) { draw(waiting.shift()); idle(next); }
      else { performance.mark("charts-drawn"); document.documentElement.dataset.drawn = "all"; }
    };
    next();
  }

  const HEADER = ["Commit", "Of", "Run (UTC)", "Rounds", "Median"];
  const AT_ONCE = 200;

  function element(name, content, attributes = {}) {
    const made = document.createElement(name);
    made.append(...[content].flat());
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  async function unpacked(id) {
    const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  async function listRuns(details) {
    if (!details.open || details.dataset.listed) return;
    details.dataset.listed = "yes";
    const runs = (await unpacked(`runs-${details.dataset.runs}`)).reverse();
    const title = details.parentElement.querySelector("h3").textContent;
    const caption = element("caption", `All ${runs.length.toLocaleString("en")} runs, the newest commit first: ${title}`);
    const head = element("thead", element("tr", HEADER.map((name) => element("th", name, { scope: "col" }))));
    const body = element("tbody", []);
    const table = element("table", [caption, head, body], { class: "numbers" });
    const more = element("button", "", { type: "button" });
    const add = () => {
      const from = body.children.length;
      for (const run of runs.slice(from, from + AT_ONCE)) {
        const cells = run.map((cell, index) => (index ? element("td", String(cell)) : element("th", cell, { scope: "row" })));
        body.append(element("tr", cells));
      }
      const left = runs.length - body.children.length;
      more.textContent = `Show ${Math.min(AT_ONCE, left)} more of ${left.toLocaleString("en")}`;
      more.hidden = left === 0;
    };
    more.addEventListener("click", add);
    add();
    details.append(element("div", table, { class: "scroll", role: "region", tabindex: "0", "aria-label": caption.textContent }), more);
  }

  for (const details of document.querySelectorAll("details[data-runs]")) details.addEventListener("toggle", () => listRuns(details));

  let width = window.innerWidth, pause;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return; // the address bar of a phone appeared or disappeared
    width = window.innerWidth;
    clearTimeout(pause);
    pause = setTimeout(drawAll, 150);
  });
  drawAll();
})();
