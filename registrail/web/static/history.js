// Sliding through time: a slider below the picture moves its line, the form around it fetches the table of then.
import { explain } from "./lanes.js";
import { local } from "./local.js";

const picture = document.querySelector(".lane-picture");
const form = document.querySelector("form.as-of");
if (picture) explain(picture);
if (picture && form) slideThrough(picture, form);

function slideThrough(svg, within) {
  const begin = Date.parse(svg.dataset.begin);
  const end = Date.parse(svg.dataset.end);
  const slider = within.querySelector(".as-of-slider");
  const field = within.elements.at;
  const line = svg.querySelector(".at-line");
  const then = within.querySelector(".then");
  const steps = [...within.querySelectorAll("[data-step]")];
  const changes = [...new Set([...svg.querySelectorAll("[data-at]")].map((mark) => Date.parse(mark.dataset.at)))];
  changes.sort((a, b) => a - b);

  slider.min = Math.floor(begin / 1000);
  slider.step = Math.max(1, Math.round((end - begin) / 400_000));
  slider.max = Number(slider.min) + Math.ceil((end / 1000 - slider.min) / slider.step) * slider.step;
  within.querySelector(".slide").hidden = false;
  alignWith(svg, within);

  /** Milliseconds; null is now. */
  function wanted() {
    return field.value ? Date.parse(`${field.value}Z`) : null;
  }

  function show() {
    const at = wanted();
    const share = at === null ? 100 : Math.min(Math.max((at - begin) / (end - begin), 0), 1) * 100;
    line.setAttribute("x1", `${share}%`);
    line.setAttribute("x2", `${share}%`);
    line.setAttribute("visibility", at === null ? "hidden" : "visible");
    slider.value = at === null ? slider.max : Math.round(at / 1000);
    slider.setAttribute("aria-valuetext", at === null ? "now" : local(new Date(at)));
    const edge = at === null ? Infinity : at;
    for (const button of steps) {
      button.disabled = button.dataset.step < 0 ? !changes.some((one) => one < edge - 999) : at === null;
    }
    if (then) then.textContent = at === null ? "" : pointedTo(svg, at);
  }

  /** Go to an instant, as if it had been written into the field. */
  function go(at) {
    field.value = at === null || at >= end ? "" : new Date(at).toISOString().slice(0, 19);
    show();
  }

  slider.addEventListener("input", () => go(slider.value >= Number(slider.max) ? null : slider.value * 1000));
  field.addEventListener("input", show);
  let remembering = 0;
  within.addEventListener("input", () => {
    clearTimeout(remembering); // browsers allow an address to change a hundred times in half a minute
    remembering = setTimeout(remember, 400, within);
  });
  for (const button of steps) {
    button.addEventListener("click", () => {
      const at = wanted() ?? Infinity;
      // Instants are whole seconds here: the second after a change has it.
      const found = button.dataset.step < 0
        ? changes.findLast((one) => Math.ceil(one / 1000) * 1000 < at)
        : changes.find((one) => Math.ceil(one / 1000) * 1000 > at);
      go(found === undefined ? null : Math.ceil(found / 1000) * 1000);
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }
  const unanswered = within.querySelector(".unanswered");
  if (unanswered) {
    within.addEventListener("htmx:after:request", (event) => {
      unanswered.hidden = (event.detail.ctx?.response?.raw?.status ?? 0) < 400;
    });
    within.addEventListener("htmx:error", () => {
      unanswered.hidden = false;
    });
  }
  document.addEventListener("registrail:swapped", () => {
    const told = document.getElementById("told");
    const title = document.getElementById("tags-title");
    if (told && title) told.textContent = title.textContent;
  });
  show();
}

/** Keep the slider exactly under the picture, whatever the names beside it need. */
function alignWith(svg, within) {
  const slide = within.querySelector(".slide");
  function align() {
    const space = svg.getBoundingClientRect().left - within.getBoundingClientRect().left;
    slide.style.gridTemplateColumns = space > 90 ? `${space - 16}px minmax(0, 1fr)` : "";
  }
  new ResizeObserver(align).observe(svg);
  align();
}

/** What the only lane of a picture had at an instant, in its own words. */
function pointedTo(svg, at) {
  const found = [...svg.querySelectorAll(".stretch[data-begin]")].findLast((one) => Date.parse(one.dataset.begin) <= at);
  const shown = found ?? svg.querySelector(".stretch.unknown");
  return shown ? shown.getAttribute("aria-label") : "Nothing: that is before its first push.";
}

/** The address of what is shown, so that it can be shared. */
function remember(within) {
  const address = new URL(location.href);
  for (const [name, value] of new FormData(within)) {
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  address.searchParams.delete("cursor");
  history.replaceState(history.state, "", address);
}
