// Parts that refresh by themselves (htmx, `hx-trigger="every 10s, registrail:refresh"`): not while nobody can see them,
// at once when they are seen again, and honestly when the app does not answer.
const isPolled = (element) => element?.getAttribute?.("hx-trigger")?.includes("every");
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const texts = new Map(); // what the polled parts were made of last
let updatedAt = new Date();

function isInUse(element) {
  const selection = document.getSelection();
  return !selection.isCollapsed && element.contains(selection.anchorNode);
}

function showStale(isStale) {
  const line = document.getElementById("stale");
  if (!line) return;
  line.hidden = !isStale;
  if (isStale) line.textContent = `The app does not answer; this is from ${clock.format(updatedAt)}.`;
}

/** Begin; `arrived(element)` is called with what was swapped, before it is painted. */
export function watchRefreshes(arrived) {
  document.addEventListener("htmx:before:request", (event) => {
    const polled = isPolled(event.target);
    if (polled && (document.hidden || isInUse(event.target))) event.preventDefault();
  });
  document.addEventListener("htmx:before:swap", (event) => {
    const { sourceElement, text } = event.detail.ctx ?? {};
    if (!isPolled(sourceElement) || !sourceElement.id) return;
    // The browser asks with If-None-Match by itself, and hands us what it has after a 304: nothing to do then.
    if (texts.get(sourceElement.id) === text) event.preventDefault();
    else texts.set(sourceElement.id, text);
  });
  document.addEventListener("htmx:after:swap", () => {
    arrived(document);
    document.dispatchEvent(new CustomEvent("registrail:swapped"));
  });
  document.addEventListener("htmx:after:request", (event) => {
    if (!isPolled(event.target)) return;
    const status = event.detail.ctx?.response?.raw?.status ?? 0;
    if (status < 400) updatedAt = new Date();
    showStale(status >= 400);
  });
  document.addEventListener("htmx:error", (event) => {
    if (isPolled(event.target)) showStale(true);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const part of document.querySelectorAll('[hx-trigger*="every"]')) htmx.trigger(part, "registrail:refresh");
  });
}
