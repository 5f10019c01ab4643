// All functions, and one with its callers and callees.

views.functions = (main, now, [asked = ""]) => {
  const { own, total } = now.functions;
  const rows = [...total.keys()]
    .filter((f) => (total[f] > 0 || state.other?.functions.total[f] > 0) && !isOp(f));
  const most = rows.reduce((max, f) => Math.max(max, own[f]), 0);
  const list = table({
    label: "Functions", rows, sort: 1, empty: "No function matches.",
    columns: [
      { name: "Function", value: (f) => functionNames[f], cell: functionLink, class: "main" },
      ownColumn((f) => own[f], now.total, most),
      totalColumn((f) => total[f], now.total),
      compared && changeColumn(now, (side, f) => side.functions.own[f]),
      countColumn("Own samples", (f) => own[f]),
      countColumn("Total samples", (f) => total[f]),
      {
        name: "Where", value: (f) => whereText(f), class: "where",
        cell: (f) => placeLink(report.functions.file[f], report.functions.line[f]),
      },
    ].filter(Boolean),
  });
  const said = el("span", { class: "dim", role: "status" }, plural(rows.length, "function"));
  const search = searchBox("Search functions, packages, files", (text) => {
    remember(...(text ? [text] : []));
    filter(text);
  }, asked);
  const filter = (text) => {
    const matches = matcher(text);
    const shown = list.filter((f) => matches(`${functionNames[f]} ${whereText(f)}`));
    said.textContent = plural(shown, "function");
  };
  if (asked) filter(asked);
  main.append(el("div", { class: "toolbar" }, search, said), list.node);
};

function whereText(f) {
  const { file, line } = report.functions;
  return file[f] < 0 ? "" : placeName(file[f], line[f]);
}

views.function = (main, now, [word]) => {
  const f = Number(word);
  if (!(f in report.functions.name)) {
    main.append(el("p", { class: "notice" }, "There is no such function in this report."));
    return;
  }
  const { kind, file, line, place } = report.functions;
  const all = now.functions.total[f];
  const { edges, sites, callersOf, calleesOf, sitesOf } = calls(), samples = now.calls();
  main.append(
    el("h2", { class: "heading" }, cut(functionNames[f], 600)),
    el("p", { class: "under" }, el("span", { class: "tag" }, KIND_WORDS[kind[f]] ?? kind[f]), " ",
      placeLink(file[f], line[f]),
      !place[f] && file[f] < 0 && kind[f] === "xsub" && el("span", { class: "dim" }, "written in C"),
      " ", link(`flame/function/${encodeURIComponent([...report.functions.name[f]].slice(0, 300).join(""))}`,
        "in the flame graph", { class: "all" })),
    el("div", { class: "cards" },
      el("div", { class: "card" }, share(now.functions.own[f], now.total), el("span", {}, "own")),
      el("div", { class: "card" }, share(all, now.total), el("span", {}, "total")),
      el("div", { class: "card" }, el("b", {}, count(now.functions.own[f])),
        el("span", {}, "own samples")),
      el("div", { class: "card" }, el("b", {}, count(all)), el("span", {}, "total samples"))));

  const edgeTable = (label, list, other, empty) => table({
    label, sort: 1, empty, rows: list.filter((e) => samples.edges[e] > 0), columns: [
      {
        name: label, value: (e) => functionNames[other[e]], class: "main",
        cell: (e) => functionLink(other[e]),
      },
      {
        name: "Of its time", number: true, title: "Of the samples of this function",
        value: (e) => samples.edges[e], cell: (e) => share(samples.edges[e], all),
      },
      countColumn("Samples", (e) => samples.edges[e]),
    ],
  }).node;
  const from = sitesOf(f).filter((s) => samples.sites[s] > 0);
  const own = functionLines(now, f);
  main.append(el("div", { class: "panels" },
    el("section", { class: "panel" }, el("h2", {}, "Called by"),
      edgeTable("Caller", callersOf(f), edges.caller, "It is outermost.")),
    el("section", { class: "panel" }, el("h2", {}, "Calls"),
      edgeTable("Callee", calleesOf(f), edges.callee, "It was seen calling nothing.")),
    from.length > 0 && el("section", { class: "panel wide" }, el("h2", {}, "Called at"),
      table({
        label: "Line", rows: from, sort: 1, columns: [
          {
            name: "Line", class: "main", cell: (s) => lineExcerpt(sites.line[s]),
            value: (s) => placeName(tree.lines.file[sites.line[s]],
              tree.lines.line[sites.line[s]]),
          },
          {
            name: "Of its time", number: true, value: (s) => samples.sites[s],
            cell: (s) => share(samples.sites[s], all),
          },
        ],
      }).node),
    own.length > 0 && el("section", { class: "panel wide" }, el("h2", {}, "Its lines"),
      table({
        label: "Line", rows: own, sort: 1, columns: [
          {
            name: "Line", class: "main", cell: (row) => lineExcerpt(row.line),
            value: (row) => tree.lines.line[row.line],
          },
          ownColumn((row) => row.own, all, Math.max(...own.slice(0, 1000).map((r) => r.own))),
          totalColumn((row) => row.total, all),
        ],
      }).node)));
};

const KIND_WORDS = {
  main: "main program", sub: "sub", format: "format", eval: "eval", require: "file being loaded",
  xsub: "sub written in C", native: "function of C", op: "op", syscall: "system call", synthetic: "called by perl itself",
};

// The samples of a function by the line that it was at. In a recursion the outermost counts.
function functionLines(now, f) {
  const sums = new Map();
  const { size, of, owner, line, first, FIRST } = tree;
  for (let n = 0; n < size; n++) {
    if (now.all[n] === 0 || line[n] < 0) continue;
    const isOwn = now.self[n] > 0 && of[owner[n]] === f;
    const isFirst = of[n] === f && first[n] & FIRST.of;
    if (!isOwn && !isFirst) continue;
    if (!sums.has(line[n])) sums.set(line[n], { line: line[n], own: 0, total: 0 });
    const row = sums.get(line[n]);
    if (isOwn) row.own += now.self[n];
    if (isFirst) row.total += now.all[n];
  }
  return [...sums.values()].filter((row) => row.own > 0 || row.total > 0);
}

// From before to after, in points, with the margin that chance leaves (Agresti and Caffo).
function changeOf(now, of) {
  const [before, after] = state.filter.thread === 1 ? [state.other, now] : [now, state.other];
  const share = (part, all) => (all > 0 ? part / all : 0);
  const [was, is] = [of(before), of(after)];
  return {
    by: 100 * (share(is, after.total) - share(was, before.total)),
    margin: marginOfChange(was, before.total, is, after.total),
  };
}

function marginOfChange(was, allBefore, is, allAfter) {
  const variance = (part, all) => {
    const p = (part + 1) / (all + 2);
    return (p * (1 - p)) / (all + 2);
  };
  return 196 * Math.sqrt(variance(was, allBefore) + variance(is, allAfter));
}

function changeText({ by, margin: side }) {
  const sure = Math.abs(by) > side;
  return el("span", {
    class: sure ? (by > 0 ? "grew" : "shrank") : "dim",
    "data-tip": sure ? "More than chance alone would often give" : "Chance alone may be the reason",
  }, `${by > 0 ? "+" : ""}${by.toFixed(1)} ± ${side.toFixed(1)}`);
}

function changeColumn(now, of) {
  const change = (row) => changeOf(now, (side) => of(side, row));
  return {
    name: "Own, after − before", number: true, value: (row) => change(row).by,
    cell: (row) => changeText(change(row)),
  };
}
