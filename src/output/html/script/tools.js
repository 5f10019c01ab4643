// Small tools: elements, numbers, texts. Names from the program get into the page by textContent
// alone.

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "style") {
      for (const [property, text] of Object.entries(value)) node.style.setProperty(property, text);
    } else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  add(node, children);
  return node;
}

function add(node, children) {
  for (const child of children) {
    if (Array.isArray(child)) add(node, child);
    else if (child !== null && child !== undefined && child !== false) node.append(child);
  }
}

const byId = (id) => document.getElementById(id);

const whole = new Intl.NumberFormat("en-US");
const count = (number) => whole.format(number);

function plural(number, one, many = one + "s") {
  return `${count(number)} ${number === 1 ? one : many}`;
}

function percent(part, all) {
  if (!(all > 0)) return "–";
  const share = (100 * part) / all;
  if (share > 0 && share < 0.005) return "<0.01 %";
  return `${share > 0 && share < 0.095 ? share.toFixed(2) : share.toFixed(1)} %`;
}

function seconds(time) {
  if (time >= 600) return `${Math.floor(time / 60)} min ${Math.round(time % 60)} s`;
  if (time >= 100) return `${time.toFixed(0)} s`;
  return `${time >= 10 ? time.toFixed(1) : time.toFixed(2)} s`;
}

// The bounds of a share that was seen `part` times in `all`, with 95 % confidence (Wilson).
function wilson(part, all) {
  if (!(all > 0)) return [0, 1];
  const z = 1.959964, p = part / all, zz = (z * z) / all;
  const centre = (p + zz / 2) / (1 + zz);
  const half = (z / (1 + zz)) * Math.sqrt((p * (1 - p)) / all + zz / (4 * all));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

// How far the truth may be away, in percent: the larger side of the interval.
function margin(part, all) {
  const [low, high] = wilson(part, all);
  const p = part / all;
  const side = 100 * Math.max(p - low, high - p);
  return `± ${side < 0.095 ? side.toFixed(2) : side.toFixed(1)}`;
}

// A share as text with its margin and a bar, the words about it in the tooltip.
function share(part, all, most = all) {
  if (!(all > 0)) return el("span", { class: "share" }, "–");
  const [low, high] = wilson(part, all);
  const words = `${plural(part, "sample")} of ${count(all)}; with 95 % confidence between `
    + `${(100 * low).toFixed(2)} and ${(100 * high).toFixed(2)} %, if samples are independent`;
  return el("span", { class: "share", "data-tip": words },
    el("i", { class: "meter", style: { "--w": most > 0 ? Math.min(1, part / most) : 0 } }),
    el("b", {}, percent(part, all)),
    el("small", {}, margin(part, all)));
}

// What a text is allowed to look like: nothing in it moves or hides its neighbours.
function visible(text) {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (c) => `\\x{${c.charCodeAt(0).toString(16)}}`);
}

// The middle of a long text is left out: names begin alike, or end alike.
function cut(text, length = 300) {
  if (text.length <= length) return text;
  const end = Math.max(0, Math.floor((length - 1) / 2));
  return `${text.slice(0, Math.max(1, length - 1 - end))}…${text.slice(text.length - end)}`;
}

// What may be shown as a whole when the pointer stands still.
const WHOLE = 10_000;

// A name of which both ends stay where there is little room. A short one is left in one piece, which
// the browser's own search finds.
function bothEnds(text) {
  const shown = cut(text, 1000);
  if (shown.length <= 32) return shown;
  const end = Math.min(24, Math.floor(shown.length / 2));
  return el("span", { class: "both-ends" }, el("span", {}, shown.slice(0, shown.length - end)),
    el("span", {}, shown.slice(shown.length - end)));
}

// A hue that always is the same for a name.
function hueOf(name) {
  let hash = 2166136261;
  for (let at = 0; at < name.length && at < 200; at++) {
    hash = Math.imul(hash ^ name.charCodeAt(at), 16777619);
  }
  return ((hash >>> 8) % 360);
}

function debounced(run, delay) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), delay);
  };
}

function searchBox(label, onInput, value = "") {
  const box = el("input", {
    type: "search", class: "search", placeholder: label, "aria-label": label,
    spellcheck: "false", autocomplete: "off", value, "data-search": true,
  });
  box.addEventListener("input", debounced(() => onInput(box.value), 60));
  return box;
}

// Buttons of which one is pressed.
function choice(label, options, chosen, onChoose) {
  const group = el("span", { class: "choice", role: "group", "aria-label": label });
  for (const [value, text, title] of options) {
    group.append(el("button", {
      type: "button", "aria-pressed": String(value === chosen), title,
      onclick: (event) => {
        for (const other of group.children) other.setAttribute("aria-pressed", "false");
        event.currentTarget.setAttribute("aria-pressed", "true");
        onChoose(value);
      },
    }, text));
  }
  return group;
}
