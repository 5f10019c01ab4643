// Keys, dark and light, and the beginning of it all.

const KEYS = [
  ["1 – 6", "the views, from Overview to Ops and calls"],
  ["/", "search or filter in this view"],
  ["n, p", "source: the next less hot and the next hotter line"],
  ["← →", "time line: move the span; with Shift its end; Esc takes it away"],
  ["← → ↑ ↓", "flame graph: move between boxes"],
  ["Enter", "flame graph: zoom into the box"],
  ["Backspace, Esc", "flame graph: one step out, all the way out"],
  ["double click", "flame graph: callers and callees of the function"],
  ["x", "take all filters away"],
  ["d", "dark or light"],
  ["?", "this list"],
];

function showKeys() {
  const dialog = byId("keys");
  dialog.replaceChildren(el("h2", {}, "Keys"), el("dl", {},
    KEYS.map(([key, words]) => [el("dt", {}, key), el("dd", {}, words)])),
  el("form", { method: "dialog" }, el("button", { autofocus: true }, "Close")));
  if (!dialog.open) dialog.showModal();
}

// A page from disk may have no place to remember anything.
const memory = {
  get(name) {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(name, value);
    } catch { /* Then it is chosen again next time. */ }
  },
};

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

function toggleTheme() {
  const isDark = getComputedStyle(document.documentElement).getPropertyValue("--is-dark").trim();
  const theme = isDark === "1" ? "light" : "dark";
  setTheme(theme);
  memory.set("p5-spy-theme", theme);
  show();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
  const isTyping = event.target.matches?.("input, textarea, select");
  if (isTyping) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const tab = TABS[Number(event.key) - 1];
  const actions = {
    "/": () => document.querySelector("main [data-search]")?.focus(),
    "?": showKeys,
    d: toggleTheme,
    n: () => hotLine?.(1),
    p: () => hotLine?.(-1),
    x: () => (location.hash = addressOf(pathNow(), {})),
  };
  const action = tab ? () => (location.hash = addressOf(tab[0])) : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

const kept = memory.get("p5-spy-theme");
if (kept === "dark" || kept === "light") setTheme(kept);
byId("title").textContent = cut(visible(report.title), 400);
byId("title").title = cut(visible(report.title), WHOLE);
byId("theme").addEventListener("click", toggleTheme);
byId("help").addEventListener("click", showKeys);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
document.addEventListener("keydown", onKey);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
addEventListener("hashchange", show);
startTips();
show();
