// Where the reader is: view and filter, both in the address, so that every state can be linked to
// and the browser's own buttons work.

const state = { view: "overview", words: [], filter: {}, current: undefined };
const views = {};

function parseAddress() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, ...words] = path.split("/").map((word) => {
    try {
      return decodeURIComponent(word);
    } catch {
      return word;
    }
  });
  const asked = new URLSearchParams(query ?? "");
  const filter = {};
  const span = /^([\d.]+)-([\d.]+)$/.exec(asked.get("time") ?? "");
  if (span && hasTimes) {
    const bucket = (text) => Math.round(Number(text) / report.bucket_seconds);
    filter.from = Math.max(0, Math.min(buckets - 1, bucket(span[1])));
    filter.to = Math.max(filter.from + 1, Math.min(buckets, bucket(span[2])));
  }
  const thread = Number(asked.get("thread") ?? NaN);
  if (report.threads[thread]) filter.thread = thread;
  else if (compared) filter.thread = 1;
  const pid = Number(asked.get("process") ?? NaN);
  if (report.threads.some((t) => t.pid === pid)) filter.pid = pid;
  if (STATES.includes(asked.get("state"))) filter.state = asked.get("state");
  return { view: view in views ? view : "overview", words, filter };
}

function addressOf(path, filter = state.filter) {
  const query = new URLSearchParams();
  if (filter.from !== undefined) {
    const time = (bucket) => (bucket * report.bucket_seconds).toFixed(4).replace(/\.?0+$/, "");
    query.set("time", `${time(filter.from)}-${time(filter.to)}`);
  }
  if (filter.thread !== undefined) query.set("thread", filter.thread);
  if (filter.pid !== undefined) query.set("process", filter.pid);
  if (filter.state !== undefined) query.set("state", filter.state);
  const text = query.toString();
  return `#/${path}${text && `?${text}`}`;
}

function pathNow() {
  return [state.view, ...state.words.map(encodeURIComponent)].join("/");
}

function setFilter(change) {
  const filter = { ...state.filter, ...change };
  for (const name of Object.keys(filter)) if (filter[name] === undefined) delete filter[name];
  location.hash = addressOf(pathNow(), filter);
}

// Puts what the reader has typed into the address, without a step in the browser's history.
function remember(...words) {
  state.words = words;
  const address = addressOf(pathNow());
  try {
    history.replaceState(null, "", address);
  } catch { /* Then the address lacks it. */ }
}

function link(path, text, attributes) {
  return el("a", { href: addressOf(path), ...attributes }, text);
}

function functionLink(f) {
  const kind = report.functions.kind[f], place = visible(report.functions.place[f]);
  return link(`function/${f}`, bothEnds(functionNames[f]), {
    class: `name kind-${kind}`,
    title: cut(place ? `${functionNames[f]}\n${place}` : functionNames[f], WHOLE),
  });
}

function placeLink(file, line) {
  if (file < 0) return "";
  const path = line ? `source/${file}/${line}` : `source/${file}`;
  return link(path, bothEnds(visible(placeName(file, line))), {
    class: "place", title: cut(visible(report.files[file].name), WHOLE),
  });
}

// `home` is the file in which the link stands: there the line is enough.
function lineLink(line, home) {
  const file = tree.lines.file[line], number = tree.lines.line[line];
  return file !== home ? placeLink(file, number)
    : link(`source/${file}/${number}`, `line ${number}`, { class: "place" });
}

const TABS = [
  ["overview", "Overview"], ["functions", "Functions"], ["flame", "Flame graph"],
  ["source", "Source"], ["threads", "Threads"], ["ops", "Ops and calls"],
].filter(([view]) => !(compared && view === "threads"));
const STATE_WORDS = { running: "running", waiting: "waiting", ready: "waiting for a CPU" };
const TAB_OF = { function: "functions" };

function drawFrame() {
  const here = TAB_OF[state.view] ?? state.view;
  const tabs = byId("tabs");
  tabs.replaceChildren(...TABS.map(([view, text], index) => el("a", {
    href: addressOf(view), "aria-current": view === here ? "page" : undefined,
    title: `${text} (${index + 1})`,
  }, text)));
  const chips = [];
  const chip = (text, change) => chips.push(el("button", {
    type: "button", class: "chip", title: "Take this filter away", onclick: () => setFilter(change),
  }, text, el("span", { "aria-hidden": "true" }, " ✕")));
  const { filter } = state;
  if (filter.from !== undefined) {
    const time = (bucket) => (bucket * report.bucket_seconds).toFixed(2);
    chip(`${time(filter.from)} – ${time(filter.to)} s`, { from: undefined, to: undefined });
  }
  if (filter.pid !== undefined) chip(`process ${filter.pid}`, { pid: undefined });
  if (compared) {
    chips.push(choice("Numbers of", [[0, "before", cut(compared[0].title)], [1, "after", cut(compared[1].title)]],
      filter.thread, (thread) => setFilter({ thread })));
  } else if (filter.thread !== undefined) {
    chip(visible(report.threads[filter.thread].name), { thread: undefined });
  }
  if (filter.state) chip(`only ${STATE_WORDS[filter.state]}`, { state: undefined });
  byId("filters").replaceChildren(...chips);
}

// The sides of a comparison: the one whose numbers are shown, and the other one.
const SIDES = ["before", "after"];
const thisSide = () => SIDES[state.filter.thread], otherSide = () => SIDES[1 - state.filter.thread];

let dispose;

function show() {
  const before = state.current && JSON.stringify(state.filter);
  const wasIn = state.current && pathNow();
  Object.assign(state, parseAddress());
  if (before !== JSON.stringify(state.filter)) {
    state.current = Object.keys(state.filter).length ? computed(state.filter) : everything;
    state.other = compared && computed({ ...state.filter, thread: 1 - state.filter.thread });
  }
  drawFrame();
  timeline.draw();
  dispose?.();
  hideTip();
  const main = byId("main");
  const scroll = window.scrollY;
  main.replaceChildren();
  main.className = `view-${state.view}`;
  dispose = views[state.view](main, state.current, state.words);
  // A filter changes what is shown and not where the reader is.
  const stays = wasIn === pathNow();
  if (stays) window.scrollTo(0, scroll);
  // The source has gone to its line.
  else if (state.view !== "source") window.scrollTo(0, 0);
  // The link that led here is gone; the next Tab goes into what it led to.
  if (wasIn && !stays && document.activeElement === document.body) {
    main.focus({ preventScroll: true });
  }
}

// Tooltips: of whatever has data-tip, and of the canvases by themselves.
function showTip(x, y, ...content) {
  const tip = byId("tip");
  tip.replaceChildren(...content);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${y + 18 + height > innerHeight ? Math.max(4, y - height - 12) : y + 18}px`;
}

function hideTip() {
  byId("tip").hidden = true;
}

function startTips() {
  document.addEventListener("pointerover", (event) => {
    const from = event.target.closest?.("[data-tip]");
    if (from) showTip(event.clientX, event.clientY, from.dataset.tip);
    else if (!event.target.closest?.("canvas")) hideTip();
  });
  document.addEventListener("scroll", hideTip, { passive: true });
}
