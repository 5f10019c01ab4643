// The program's own text with the samples of each line beside it.

const LINES_AT_ONCE = 100, LONGEST = 1000;
// Where on the screen the line was that the reader has clicked at.
let keptTop;

views.source = (main, now, [fileWord, lineWord]) => {
  const { own, total } = now.files;
  const rows = [...total.keys()].filter((f) => total[f] > 0 || String(f) === fileWord)
    .sort((a, b) => own[b] - own[a] || total[b] - total[a]);
  if (rows.length === 0) {
    main.append(el("p", { class: "notice" }, "No sample passes the filters."));
    return undefined;
  }
  const file = report.files[Number(fileWord)] && fileWord !== "" ? Number(fileWord)
    : rows.find((f) => report.files[f].why === null) ?? rows[0];
  const wanted = Number(lineWord) || 0;
  const list = el("ul");
  const draw = (text) => {
    const matches = matcher(text);
    const shown = rows.filter((f) => matches(report.files[f].name));
    list.replaceChildren(...shown.slice(0, 1000).map((f) => el("li", {},
      link(`source/${f}`, [
        el("span", { class: "file-name" }, el("bdi", {}, visible(fileName(f)))),
        el("span", { class: "file-share" }, percent(own[f], now.total)),
        el("i", { class: "meter", style: { "--w": own[rows[0]] ? own[f] / own[rows[0]] : 0 } }),
      ], {
        "aria-current": f === file ? "true" : undefined,
        title: `${cut(visible(report.files[f].name))}\n${percent(total[f], now.total)} total`,
      }))));
    if (shown.length === 0) list.append(el("li", { class: "empty" }, "No file matches."));
    if (shown.length > 1000) list.append(el("li", { class: "empty" }, `${shown.length - 1000} more`));
  };
  draw("");
  const code = annotated(now, file, wanted);
  main.append(el("div", { class: "split" },
    el("aside", { class: "files", "aria-label": "Files" },
      searchBox("Filter files", draw), list),
    el("article", { class: "source" }, code.node)));
  code.start();
  return code.stop;
};

function annotated(now, file, wanted) {
  const { own, total } = now.lines;
  const text = sourceOf(file), { why } = report.files[file];
  const here = linesOf(file).filter((l) => total[l] > 0 || state.other?.lines.total[l] > 0);
  const idOf = new Map(here.map((l) => [tree.lines.line[l], l]));
  const subs = subsOf(now, file, text);
  const mostOwn = here.reduce((most, l) => Math.max(most, own[l]), 0);
  const mostTotal = here.reduce((most, l) => Math.max(most, total[l]), 0);
  const isText = text && textLines(text);
  // The same of the other side of a comparison.
  const was = compared && state.other;
  const mostWas = was ? here.reduce((most, l) => Math.max(most, was.lines.own[l], 0), 0) : 0;
  // Without a text, or where samples lie behind its end, only lines with something to say.
  const lost = [...new Set([...idOf.keys(), ...subs.keys()])]
    .filter((line) => line > 0 && !(text && line <= text.length)).sort((a, b) => a - b);
  const numbers = text ? text.map((_, index) => index + 1).concat(lost) : lost;
  const digits = String(numbers.at(-1) ?? 0).length;

  const row = (number) => {
    const l = idOf.get(number);
    const cell = (name, samples, most, of = now) => el("span", {
      role: "cell", class: samples > 0 ? name : `${name} none`,
      style: samples > 0 ? { "--h": `${(8 + 72 * Math.sqrt(samples / most)).toFixed(0)}%` } : undefined,
      "data-tip": samples > 0
        ? `${plural(samples, "sample")}: ${percent(samples, of.total)} ${margin(samples, of.total)}`
          + ` of all${name === "was" ? ` ${otherSide()}` : ""}, `
          + (name === "total" ? "here or in what is called here" : "executing here")
        : undefined,
    }, samples > 0 ? percent(samples, of.total).replace(" %", "") : "");
    const line = text?.[number - 1];
    const sub = subs.get(number);
    const long = line !== undefined && line.length > LONGEST;
    const node = el("div", {
      role: "row", class: `line${number === wanted ? " wanted" : ""}${sub ? " begins" : ""}`,
      "data-line": number,
    },
    el("span", { class: "gutter" },
      was && cell("was", l === undefined ? 0 : was.lines.own[l], mostWas, was),
      cell("own", l === undefined ? 0 : own[l], mostOwn),
      cell("total", l === undefined ? 0 : total[l], mostTotal),
      el("a", {
        class: "number", role: "cell", href: addressOf(`source/${file}/${number}`),
        onclick: (event) => (keptTop = event.currentTarget.getBoundingClientRect().top),
      }, String(number))),
    el("code", { role: "cell" }, line === undefined
      ? el("span", { class: "dim" }, text ? "(behind the end of the file)" : "")
      : highlighted(long ? `${line.slice(0, LONGEST)}…` : line, isText[number - 1])),
    el("span", { class: "notes", role: "cell" }, sub && callersNote(now, sub, file),
      l !== undefined && callsNote(now, l, `source/${file}/${number}`)));
    return number === wanted ? [node, lineDetail(now, l)] : [node];
  };

  const chunks = [];
  for (let from = 0; from < numbers.length; from += LINES_AT_ONCE) {
    const lines = numbers.slice(from, from + LINES_AT_ONCE);
    const node = el("div", { class: "chunk", role: "rowgroup", style: { "--lines": lines.length } });
    chunks.push({ node, lines, filled: false });
  }
  const fill = (chunk) => {
    if (chunk.filled) return;
    chunk.filled = true;
    chunk.node.append(...chunk.lines.flatMap(row));
    chunk.node.classList.add("filled");
  };
  const chunkOf = new Map(chunks.map((chunk) => [chunk.node, chunk]));
  const observer = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) fill(chunkOf.get(target));
  }, { rootMargin: "1200px" });
  const lineNode = (number) => {
    const chunk = chunks.find((c) => c.lines.includes(number));
    if (chunk) fill(chunk);
    return chunk?.node.querySelector(`[data-line="${number}"]`);
  };

  // The hottest first, which is what the buttons and the keys n and p go through.
  const hottest = here.filter((l) => own[l] > 0).sort((a, b) => own[b] - own[a]).slice(0, 100)
    .map((l) => tree.lines.line[l]);
  const busiest = here.reduce((most, l) => (most < 0 || total[l] > total[most] ? l : most), -1);
  const place = hottest.indexOf(wanted);
  const hot = (step) => {
    const to = hottest[Math.max(0, Math.min(hottest.length - 1, place + step))];
    if (to !== undefined) location.hash = addressOf(`source/${file}/${to}`);
  };
  hotLine = hot;
  const head = el("div", { class: "source-head" },
    el("h2", {}, cut(visible(fileName(file)), 500)),
    el("span", {}, "own ", share(now.files.own[file], now.total)),
    el("span", {}, "total ", share(now.files.total[file], now.total)),
    hottest.length > 0 && el("span", { class: "choice" },
      el("button", { type: "button", title: "The next hotter line (p)", onclick: () => hot(-1) }, "◂"),
      el("button", { type: "button", title: "The next less hot line (n)", onclick: () => hot(1) },
        place >= 0 ? `hottest ${place + 1} of ${hottest.length} ▸` : "hottest line ▸")));
  const lines = el("div", {
    class: "code", role: "table", "aria-label": "Source", style: { "--digits": digits },
  }, el("div", { class: "lines", role: "presentation" },
    el("div", { class: "line column-names", role: "row" }, el("span", { class: "gutter" },
      was && el("span", { class: "was none", role: "columnheader" }, `${otherSide()} %`),
      el("span", { class: "own none", role: "columnheader" }, was ? `${thisSide()} %` : "own %"),
      el("span", { class: "total none", role: "columnheader" }, "total %"),
      el("span", { class: "number", role: "columnheader" }, "line"))),
    chunks.map((c) => c.node)));
  const isChanged = compared && (report.changed ?? []).includes(file);
  const node = el("div", {}, head,
    isChanged && el("p", { class: "notice" }, "This file has changed. Its later text is shown; "
      + "samples of the earlier one stand where their lines are now."),
    !text && el("p", { class: "notice" }, `There is no text of this file: ${visible(why ?? "")}. `
      + "These are its lines that have samples."), lines);
  let idle = 0;
  return {
    node,
    start() {
      for (const { node: chunk } of chunks) observer.observe(chunk);
      // Where nobody has asked for a line, the hottest one is what there is to see.
      const at = wanted || hottest[0] || tree.lines.line[busiest];
      const target = lineNode(at);
      if (target) lines.dataset.at = at;
      if (!target) scrollTo(0, 0);
      else if (keptTop !== undefined) scrollBy(0, target.getBoundingClientRect().top - keptTop);
      else {
        scrollTo(0, 0);
        const { top, bottom } = target.getBoundingClientRect();
        if (wanted || top < 0 || bottom > innerHeight * 0.8) target.scrollIntoView({ block: "center" });
      }
      if (wanted) target?.querySelector("a.number").focus({ preventScroll: true });
      keptTop = undefined;
      // What the browser's own search shall find must be there.
      const later = globalThis.requestIdleCallback ?? ((run) => setTimeout(run, 50));
      const rest = numbers.length <= 20_000 ? chunks.filter((c) => !c.filled) : [];
      const next = () => {
        const chunk = rest.shift();
        if (!chunk) return;
        fill(chunk);
        idle = later(next);
      };
      idle = later(next);
    },
    stop() {
      observer.disconnect();
      (globalThis.cancelIdleCallback ?? clearTimeout)(idle);
      hotLine = undefined;
    },
  };
}

let hotLine;


// Where subs begin: at the line of their name where that is near their first statement.
function subsOf(now, file, text) {
  const begins = new Map();
  for (const f of functionsIn(file)) {
    const { kind, line, name } = report.functions;
    if (now.functions.total[f] === 0 || line[f] === 0) continue;
    if (!["sub", "format"].includes(kind[f])) continue;
    let at = line[f];
    const word = /([A-Za-z_]\w*)$/.exec(name[f].slice(-200))?.[1];
    if (text && word) {
      const begin = new RegExp(`\\b(?:sub|method|format)\\s+(?:[\\w:]*::)?${word}\\b`);
      for (let n = at; n > 0 && n > at - 80; n--) {
        if (begin.test((text[n - 1] ?? "").slice(0, 500))) {
          at = n;
          break;
        }
      }
    }
    if (!begins.has(at)) begins.set(at, []);
    begins.get(at).push(f);
  }
  return begins;
}

const NOTES = 3;

function callersNote(now, subs, file) {
  const { sites, sitesOf } = calls(), samples = now.calls().sites;
  return subs.slice(0, NOTES).map((f) => {
    const all = now.functions.total[f];
    const callers = sitesOf(f).filter((s) => samples[s] > 0)
      .sort((a, b) => samples[b] - samples[a]);
    return el("span", { class: "note callers" }, functionLink(f), ` ${percent(all, now.total)}`,
      callers.length > 0 && " ← ",
      callers.slice(0, NOTES).map((s, index) => [index > 0 && ", ", lineLink(sites.line[s], file),
        callers.length > 1 && ` ${percent(samples[s], all)}`]),
      callers.length > NOTES && link(`function/${f}`, `, ${callers.length - NOTES} more`));
  });
}

function callsNote(now, line, path) {
  const { sites, callsAt } = calls(), samples = now.calls().sites;
  const found = callsAt(line).filter((s) => samples[s] > 0)
    .sort((a, b) => samples[b] - samples[a]);
  return found.length > 0 && el("span", { class: "note calls" }, "→ ",
    found.slice(0, NOTES).map((s, index) => [index > 0 && ", ",
      functionLink(sites.callee[s]), ` ${percent(samples[s], now.total)}`]),
    found.length > NOTES && [", ", link(path, `${found.length - NOTES} more`)]);
}

// All that is known of a line.
function lineDetail(now, line) {
  if (line === undefined) {
    return el("div", { class: "detail", role: "row" },
      el("p", { class: "dim", role: "cell" }, "No sample at this line."));
  }
  const { own, total } = now.lines;
  const all = total[line];
  const within = new Map();
  for (let n = 0; n < tree.size; n++) {
    if (tree.line[n] !== line || now.all[n] === 0) continue;
    const isLeaf = isOp(tree.of[n]) || report.functions.kind[tree.of[n]] === "xsub";
    if (!isLeaf && tree.first[n] & tree.FIRST.line) {
      within.set(tree.of[n], (within.get(tree.of[n]) ?? 0) + now.all[n]);
    }
  }
  const { sites, callsAt } = calls(), samples = now.calls().sites;
  const found = callsAt(line).filter((s) => samples[s] > 0);
  const small = (label, rows, cell, part) => rows.length > 0 && table({
    label, rows, sort: 1, columns: [
      { name: label, value: String, cell, class: "main" },
      {
        name: "Of the line", number: true, value: part,
        cell: (row) => share(part(row), all),
      },
    ],
  }).node;
  return el("div", { class: "detail", role: "row" }, el("div", { role: "cell" },
    el("p", {}, "own ", share(own[line], now.total), " total ", share(all, now.total)),
    el("div", { class: "panels" },
      small("In", [...within.keys()], functionLink, (f) => within.get(f)),
      small("Calls, and ops", found, (s) => functionLink(sites.callee[s]),
        (s) => samples[s]))));
}
