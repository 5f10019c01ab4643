// Ops, patterns, system calls, and subs written in C, with the lines that they are at.

views.ops = (main, now) => {
  const { kind } = report.functions;
  const rows = [...now.functions.total.keys()]
    .filter((f) => now.functions.total[f] > 0 && (isOp(f) || kind[f] === "xsub"));
  if (!report.about.ops && !rows.some(isOp)) {
    main.append(el("p", { class: "notice" }, "Ops and system calls were not recorded. "
      + "With --ops a recording has the op that is running, with the pattern of a match; with "
      + "--idle too, the system call that a thread waits in."));
  }
  const places = new Map(rows.map((f) => [f, new Map()]));
  for (let n = 0; n < tree.size; n++) {
    const at = places.get(tree.of[n]);
    if (!at || now.all[n] === 0 || tree.line[n] < 0) continue;
    at.set(tree.line[n], (at.get(tree.line[n]) ?? 0) + now.all[n]);
  }
  const where = (f) => {
    const lines = [...places.get(f)].sort((a, b) => b[1] - a[1]);
    const { total } = now.functions;
    return [lines.slice(0, 3).map(([line, samples]) => el("div", {}, lineLink(line), " ",
      el("span", { class: "dim" }, percent(samples, total[f])))),
    lines.length > 3 && link(`function/${f}`, `${lines.length - 3} more`, { class: "all" })];
  };
  const most = rows.reduce((max, f) => Math.max(max, now.functions.total[f]), 0);
  const kinds = ["op", "syscall", "xsub", "native"].filter((k) => rows.some((f) => kind[f] === k));
  let only, text = "";
  const list = table({
    label: "Ops and calls", rows, sort: 2, empty: "Nothing of this kind has samples.", columns: [
      { name: "What", value: (f) => functionNames[f], cell: functionLink, class: "main" },
      { name: "Kind", value: (f) => kind[f], cell: (f) => KIND_WORDS[kind[f]] },
      {
        name: "Share", number: true, value: (f) => now.functions.total[f],
        cell: (f) => share(now.functions.total[f], now.total, most),
      },
      countColumn("Samples", (f) => now.functions.total[f]),
      { name: "Where", cell: where, class: "where" },
    ],
  });
  const draw = () => {
    const matches = matcher(text);
    list.filter((f) => (only === undefined || kind[f] === only) && matches(functionNames[f]));
  };
  main.append(el("div", { class: "toolbar" },
    searchBox("Search ops, patterns, calls", (value) => {
      text = value;
      draw();
    }),
    kinds.length > 1 && choice("Kind", [[undefined, "All"],
      ...kinds.map((k) => [k, { op: "Ops", syscall: "System calls", xsub: "Subs in C", native: "Functions of C" }[k]])],
    undefined, (value) => {
      only = value;
      draw();
    })), list.node);
};
