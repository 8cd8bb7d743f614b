// The overview's chart: the server's picture comes first; this one can be pointed at and zoomed by dragging.
import { count } from "./local.js";

const HEIGHT = 220, TOP = 10, BOTTOM = 26, LEFT = 44;
const COLOURS = { pushes: "push", moves: "move", deletes: "delete" };
const WORDS = { pushes: "pushed", moves: "moved", deletes: "deleted" };
let chart = null, drawn = "";

/** A colour of the theme, resolved by the browser. */
function colour(property, of = document.body) {
  return getComputedStyle(of)[property];
}

function read() {
  const text = document.getElementById("chart-data")?.textContent;
  return text ? { text, ...JSON.parse(text) } : null;
}

/** Where the axis has its numbers: as the server's picture, 1, 2 or 5 times a power of ten. */
function scale(data) {
  const up = Math.max(...data.pushes), down = Math.max(...data.deletes);
  const most = Math.max(up + down, 1);
  let step = 1;
  for (let power = 1; most > 4 * step; power *= 10) for (const factor of [1, 2, 5]) if (most > 4 * step) step = factor * power;
  const above = Math.max(Math.ceil(up / step), 1), below = Math.ceil(down / step);
  return Array.from({ length: above + below + 1 }, (_, index) => (index - below) * step);
}

function columns(data) {
  const half = data.step / 2;
  const height = (number) => number || null;
  return [data.x.map((begin) => begin + half), data.pushes.map(height), data.moves.map(height), data.deletes.map((number) => height(-number))];
}

/** Days and weeks are those of UTC; shorter periods are told in the viewer's zone. */
function isInDays(data) {
  return data.grain === "day" || data.grain === "week";
}

function told(data, index) {
  const when = new Intl.DateTimeFormat(undefined, isInDays(data) ? { timeZone: "UTC", dateStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
  const begin = new Date(data.x[index] * 1000);
  const end = new Date((data.x[index] + data.step) * 1000);
  return data.grain === "hour" ? when.formatRange(begin, end) : when.format(begin);
}

function labels(data) {
  const zone = isInDays(data) ? { timeZone: "UTC" } : {};
  const date = new Intl.DateTimeFormat(undefined, { ...zone, day: "numeric", month: "short" });
  const time = new Intl.DateTimeFormat(undefined, { ...zone, hour: "2-digit", minute: "2-digit" });
  const isMidnight = (at) => isInDays(data) || (at.getHours() === 0 && at.getMinutes() === 0);
  const edge = (data.step * data.x.length) / 50; // a label in the middle of an edge would be cut
  return (_, splits) => splits.map((seconds) => {
    if (seconds > data.x.at(-1) + data.step - edge) return "";
    const at = new Date(seconds * 1000);
    return (isMidnight(at) ? date : time).format(at);
  });
}

function tip(data) {
  const box = document.createElement("div");
  box.className = "chart-tip";
  box.hidden = true;
  return {
    hooks: {
      init: (u) => u.over.append(box),
      setCursor: (u) => {
        const index = u.cursor.idx;
        box.hidden = index == null || u.cursor.left < 0;
        if (box.hidden) return;
        box.replaceChildren(...[told(data, index), ...Object.keys(WORDS).map((name) => `${count(data[name][index])} ${WORDS[name]}`)].map((text) => {
          const line = document.createElement("p");
          line.textContent = text;
          return line;
        }));
        const left = u.valToPos(u.data[0][index], "x");
        const room = u.over.clientWidth - box.offsetWidth - 4;
        box.style.left = `${Math.max(4, Math.min(left + 12 > room ? left - box.offsetWidth - 12 : left + 12, room))}px`;
      },
    },
  };
}

function zoom(data, u) {
  const { left, width } = u.select;
  u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  if (width < 4) return;
  const edge = (value) => Math.round((value - data.x[0]) / data.step) * data.step + data.x[0];
  const since = edge(u.posToVal(left, "x"));
  const until = Math.max(edge(u.posToVal(left + width, "x")), since + data.step);
  const to = new URL(document.getElementById("chart").dataset.zoom, location.href);
  const written = (seconds) => new Date(seconds * 1000).toISOString().replace(".000", "");
  to.searchParams.set("since", written(since));
  to.searchParams.set("until", written(until));
  location.assign(to);
}

function options(data, host) {
  const text = colour("fill", host.querySelector("text")), line = colour("stroke", host.querySelector(".grid:not(.zero)"));
  const splits = scale(data);
  const bars = uPlot.paths.bars({ size: [0.82, 60], radius: 0 });
  const font = `11.5px ${colour("fontFamily")}`;
  const axis = { stroke: text, font, ticks: { show: false }, grid: { show: false } };
  const span = [data.x[0], data.x.at(-1) + data.step];
  return {
    width: host.clientWidth,
    height: HEIGHT,
    padding: [TOP, 0, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
    tzDate: isInDays(data) ? (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") : undefined,
    scales: { x: { time: true, range: () => span }, y: { range: () => [splits[0], splits.at(-1)] } },
    axes: [
      { ...axis, size: BOTTOM, gap: 6, space: 80, values: labels(data) },
      { ...axis, size: LEFT, gap: 8, splits: () => splits, values: (_, values) => values.map((value) => count(Math.abs(value))), grid: { show: true, stroke: line, width: 1 } },
    ],
    series: [{}, ...Object.entries(COLOURS).map(([name, kind]) => {
      const fill = colour("backgroundColor", document.querySelector(`.key.${kind}`));
      return { label: WORDS[name], fill, width: 0, paths: bars, points: { show: false } };
    })],
    hooks: { setSelect: [(u) => zoom(data, u)] },
    plugins: [tip(data)],
  };
}

function draw(force = false) {
  const host = document.getElementById("chart"), data = read();
  if (!host || !data || (!force && drawn === data.text)) return;
  chart?.destroy();
  drawn = data.text;
  chart = new uPlot(options(data, host), columns(data), host);
  chart.root.setAttribute("aria-hidden", "true"); // the picture below and the table say the same
  host.classList.add("drawn");
}

let opened = [];
document.addEventListener("htmx:before:swap", () => {
  opened = [...document.querySelectorAll("details[open][id]")].map((one) => one.id);
});
document.addEventListener("registrail:swapped", () => {
  for (const id of opened) document.getElementById(id)?.setAttribute("open", ""); // what the viewer opened stays open
  draw();
});
document.addEventListener("registrail:theme", () => draw(true));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(true));
new ResizeObserver(([{ contentRect }]) => {
  if (chart && Math.round(contentRect.width) !== chart.width) chart.setSize({ width: Math.round(contentRect.width), height: HEIGHT });
}).observe(document.getElementById("chart"));
draw();
