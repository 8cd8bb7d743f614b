// What all pages share: times and numbers in the viewer's words, the theme, copying, and parts that refresh.
import { localize } from "./local.js";
import { watchRefreshes } from "./refresh.js";

const root = document.documentElement;

function isDark() {
  const chosen = root.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function switchTheme() {
  const theme = isDark() ? "light" : "dark";
  root.dataset.theme = theme;
  document.querySelector('meta[name="color-scheme"]').content = theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `registrail-theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  document.dispatchEvent(new CustomEvent("registrail:theme"));
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    return; // the browser does not let us; the text can be marked by hand
  }
  const label = button.dataset.label ?? button.getAttribute("aria-label");
  button.dataset.label = label;
  button.classList.add("done");
  button.setAttribute("aria-label", "Copied");
  setTimeout(() => {
    button.classList.remove("done");
    button.setAttribute("aria-label", label);
  }, 1500);
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-copy], [data-theme-switch]");
  if (target?.matches("[data-copy]")) copy(target);
  else if (target) switchTheme();
});

localize(document);
watchRefreshes(localize);
