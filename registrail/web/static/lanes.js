// The picture of lanes: a hint at each stretch, its digest wherever else it is, and arrow keys from stretch to stretch.
import { local } from "./local.js";

/** Begin, for one picture. */
export function explain(svg) {
  const lanes = [...svg.querySelectorAll(".lane")].map((lane) => [...lane.querySelectorAll("a.stretch")]);
  const names = [...(svg.parentElement.querySelectorAll(".lane-names a") ?? [])];
  const stretches = lanes.flat();
  for (const stretch of stretches) {
    const title = stretch.querySelector("title");
    stretch.setAttribute("aria-label", title.textContent);
    title.remove(); // else the browser would show it as well
    stretch.setAttribute("tabindex", "-1");
  }
  // One stop for the Tab key, the newest stretch of the first lane; from there by arrows.
  lanes.find((lane) => lane.length)?.at(-1).setAttribute("tabindex", "0");
  const hint = document.createElement("div");
  hint.className = "hint";
  hint.setAttribute("role", "tooltip");
  hint.hidden = true;
  svg.parentElement.append(hint);

  function show(stretch) {
    const row = lanes.findIndex((lane) => lane.includes(stretch));
    hint.replaceChildren(...told(stretch, names[row]?.textContent ?? ""));
    hint.hidden = false;
    place(hint, stretch, svg.parentElement);
    const digest = stretch.dataset.digest;
    svg.classList.toggle("comparing", Boolean(digest));
    for (const one of stretches) one.classList.toggle("same", Boolean(digest) && one.dataset.digest === digest);
  }

  function hide() {
    hint.hidden = true;
    svg.classList.remove("comparing");
    for (const one of stretches) one.classList.remove("same");
  }

  svg.addEventListener("pointerover", (event) => {
    const stretch = event.target.closest("a.stretch");
    if (stretch) show(stretch);
  });
  svg.parentElement.addEventListener("pointerleave", hide);
  svg.addEventListener("pointerout", (event) => {
    const to = event.relatedTarget;
    if (!(to instanceof Element) || (!to.closest("a.stretch") && !hint.contains(to))) hide();
  });
  svg.addEventListener("focusin", (event) => {
    const stretch = event.target.closest("a.stretch");
    if (stretch) show(stretch);
  });
  svg.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });
  svg.addEventListener("keydown", (event) => {
    const from = event.target.closest("a.stretch");
    const to = from && neighbour(lanes, from, event.key);
    if (!to) return;
    event.preventDefault();
    from.setAttribute("tabindex", "-1");
    to.setAttribute("tabindex", "0");
    to.focus();
  });
}

/** The stretch that a key leads to: left and right in a lane, up and down to the nearest one of the next lane. */
function neighbour(lanes, from, key) {
  const row = lanes.findIndex((lane) => lane.includes(from));
  const lane = lanes[row];
  const column = lane.indexOf(from);
  if (key === "ArrowLeft") return lane[column - 1];
  if (key === "ArrowRight") return lane[column + 1];
  if (key === "Home") return lane[0];
  if (key === "End") return lane.at(-1);
  if (key !== "ArrowUp" && key !== "ArrowDown") return undefined;
  const others = key === "ArrowUp" ? lanes.slice(0, row).reverse() : lanes.slice(row + 1);
  const place = middle(from);
  const next = others.find((other) => other.length);
  return next?.reduce((best, one) => (Math.abs(middle(one) - place) < Math.abs(middle(best) - place) ? one : best));
}

function middle(stretch) {
  const box = stretch.getBoundingClientRect();
  return box.left + box.width / 2;
}

function told(stretch, name) {
  const label = stretch.getAttribute("aria-label");
  const { digest, begin, end } = stretch.dataset;
  const lines = [line("strong", name || label.split(/ → |: /)[0], "bdi")];
  if (digest) {
    const what = document.createElement("div");
    const swatch = document.createElement("span");
    swatch.className = `swatch ${[...stretch.classList].find((one) => one.startsWith("hue-")) ?? ""}`;
    what.append(swatch, line("code", digest.slice(0, 26)));
    lines.push(what);
  } else {
    lines.push(line("div", label.slice(label.indexOf(":") + 1).trim()));
  }
  if (digest && begin) {
    const from = new Date(begin);
    const to = end ? new Date(end) : new Date();
    lines.push(line("div", `${local(from)} – ${end ? local(to) : "now"}`), line("div", `for ${length(to - from)}${by(label)}`));
  }
  const open = line("div", digest ? "Open the digest" : stretch.classList.contains("gone") ? "Open the delete" : "Open the tag");
  open.className = "quietly";
  return [...lines, open];
}

/** Who did it, as the label ends; names may be very long. */
function by(label) {
  const at = label.lastIndexOf(", by ");
  if (at < 0) return "";
  return label.length - at > 80 ? `${label.slice(at, at + 79)}…` : label.slice(at);
}

function line(kind, text, inner) {
  const element = document.createElement(kind);
  if (inner) element.append(line(inner, text));
  else element.textContent = text;
  return element;
}

function length(milliseconds) {
  const seconds = Math.max(Math.round(milliseconds / 1000), 0);
  for (const [unit, size] of [["day", 86_400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= size) return words(Math.floor(seconds / size), unit);
  }
  return words(seconds, "second");
}

function words(value, unit) {
  return new Intl.NumberFormat(undefined, { style: "unit", unit, unitDisplay: "long" }).format(value);
}

/** Below the stretch, or above it where there is no room, and inside the box of the picture. */
function place(hint, stretch, within) {
  const box = within.getBoundingClientRect();
  const bar = stretch.querySelector("rect").getBoundingClientRect();
  const left = Math.min(Math.max(bar.left + Math.min(bar.width / 2, 60) - hint.offsetWidth / 2, box.left), box.right - hint.offsetWidth);
  const below = bar.bottom + 6;
  const fits = below + hint.offsetHeight < innerHeight;
  hint.style.left = `${left - box.left}px`;
  hint.style.top = `${(fits ? below : bar.top - 6 - hint.offsetHeight) - box.top}px`;
}
