// Times in the viewer's zone and numbers in their locale, by Intl; the server writes UTC and plain numbers.
const DAY = 86_400_000;
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const utc = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", timeZone: "UTC" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "always", style: "short" });
const number = new Intl.NumberFormat();
const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** How long ago, in the largest unit that is not a fraction. */
export function age(moment, now = Date.now()) {
  const seconds = Math.floor((now - moment) / 1000);
  if (seconds < 0) return relative.format(0, "second");
  const [unit, length] = UNITS.find(([, size]) => seconds >= size) ?? UNITS.at(-1);
  return relative.format(-Math.floor(seconds / length), unit);
}

/** A moment in the viewer's zone; the date is left out where `short` is asked for and it is less than a day ago. */
export function local(moment, short = false) {
  return (short && Math.abs(Date.now() - moment) < DAY ? clock : whole).format(moment);
}

/** A number as the viewer writes it. */
export function count(value) {
  return number.format(value);
}

function localizeTime(element) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.valueOf())) return;
  const inUtc = `${utc.format(moment)} UTC`;
  if ("ago" in element.dataset) {
    write(element, age(moment));
    element.title = `${whole.format(moment)}\n${inUtc}`;
  } else {
    write(element, local(moment));
    element.title = inUtc;
  }
}

/** Rewrite everything below an element. */
export function localize(within) {
  for (const element of within.querySelectorAll("time[data-local], time[data-ago]")) localizeTime(element);
  for (const element of within.querySelectorAll("[data-number]")) write(element, count(Number(element.dataset.number)));
}

setInterval(() => {
  if (!document.hidden) for (const element of document.querySelectorAll("time[data-ago]")) localizeTime(element);
}, 10_000);
