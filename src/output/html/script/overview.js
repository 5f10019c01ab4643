// The first view: what was recorded, how far it can be believed, and where the time goes.

views.overview = (main, now) => {
  const { total } = now;
  const best = (numbers, keep = () => true, length = 12) =>
    [...numbers.keys()].filter((i) => numbers[i] > 0 && keep(i))
      .sort((a, b) => numbers[b] - numbers[a]).slice(0, length);
  const isSub = (f) => !isOp(f);
  const panel = (title, more, content, wide) => el("section", { class: wide ? "panel wide" : "panel" },
    el("h2", {}, title, more && link(more, "all", { class: "all" })), content);
  const list = (label, rows, name, number, of, most) => table({
    label, rows, sort: 1, columns: [
      { name: label, value: (r) => of(r), cell: name, class: "main" },
      {
        name: "Share", number: true, value: number,
        cell: (r) => share(number(r), total, most ?? total),
      },
    ],
  }).node;

  const { functions, lines, packages, files } = now;
  main.append(facts(now));
  if (compared) main.append(changes(now));
  if (total === 0) {
    main.append(el("p", { class: "notice" }, Object.keys(now.filter).length
      ? "No sample passes the filters."
      : `No samples: ${report.nothing}.`));
    return;
  }
  const byOwn = best(functions.own, isSub), byTotal = best(functions.total, isSub);
  const hot = best(lines.own), pack = best(packages.own), file = best(files.own);
  main.append(el("div", { class: "panels" },
    panel("Functions by own time", "functions", list("Function", byOwn, functionLink,
      (f) => functions.own[f], (f) => functionNames[f], functions.own[byOwn[0]])),
    panel("Functions by total time", "functions", list("Function", byTotal, functionLink,
      (f) => functions.total[f], (f) => functionNames[f])),
    panel("Hottest lines", "source", list("Line", hot, lineExcerpt,
      (l) => lines.own[l], (l) => placeName(tree.lines.file[l], tree.lines.line[l]),
      lines.own[hot[0]]), true),
    panel("Packages by own time", "flame/package", list("Package", pack,
      (p) => el("span", { class: "name" }, cut(visible(report.packages[p]), 1000)),
      (p) => packages.own[p], (p) => report.packages[p], packages.own[pack[0]])),
    panel("Files by own time", "source", list("File", file, (f) => placeLink(f),
      (f) => files.own[f], fileName, files.own[file[0]])),
  ), details());
};

// What gained and what lost, those whose own time changed most first.
function changes(now) {
  const of = (f) => changeOf(now, (side) => side.functions.own[f]);
  const all = [...now.functions.own.keys()].filter((f) => !isOp(f)).map((f) => ({ f, change: of(f) }));
  const list = (title, sign) => {
    const rows = all.filter(({ change }) => sign * change.by > 0)
      .sort((a, b) => sign * (b.change.by - a.change.by)).slice(0, 12);
    return el("section", { class: "panel" }, el("h2", {}, title), table({
      label: "Function", rows, sort: 1, descending: sign > 0, empty: "Nothing.", columns: [
        { name: "Function", value: (r) => functionNames[r.f], cell: (r) => functionLink(r.f), class: "main" },
        {
          name: "Own, after − before", number: true, value: (r) => r.change.by,
          cell: (r) => changeText(r.change),
        },
      ],
    }).node);
  };
  return el("div", { class: "panels" }, list("Gained", 1), list("Lost", -1));
}

function lineExcerpt(line) {
  const file = tree.lines.file[line], number = tree.lines.line[line];
  const text = sourceOf(file)?.[number - 1];
  return el("span", { class: "excerpt" }, lineLink(line),
    text !== undefined && el("code", {}, highlighted(cut(text.trim(), 200))));
}

// The account of the recording, in numbers and in words.
function facts(now) {
  const { about } = report;
  const { summary } = compared ? compared[state.filter.thread] : report;
  const failed = Object.values(summary.errors).reduce((a, b) => a + b, 0);
  const card = (big, small, tip) => el("div", { class: "card", "data-tip": tip },
    el("b", {}, big), el("span", {}, small));
  const shown = compared ? `samples ${thisSide()}` : Object.keys(now.filter).length ? "samples pass the filters" : "samples shown";
  const cards = el("div", { class: "cards" },
    card(count(now.total), shown),
    card(seconds(summary.duration_seconds), "recorded"),
    card(`${count(about.rate)} Hz`, "per thread", "Samples that were asked for, per second and thread"),
    card(percent(summary.attempted - summary.good - summary.idle - summary.ready - summary.gone, summary.attempted), "lost",
      "Torn, missed and failed samples of all that were due"),
    !compared && card(count(new Set(report.threads.map((t) => t.pid)).size),
      report.threads.length === 1 ? "process, 1 thread"
        : `processes, ${plural(report.threads.length, "thread")}`));
  const parts = [
    ["good", summary.good, "on a CPU", "Stacks of threads on a CPU"],
    ["idle", summary.idle, "waiting", "Times a thread was waiting for something else than a CPU"],
    ["ready", summary.ready, "waiting for a CPU", "Times a thread could have run if a CPU had been free"],
    ["torn", summary.torn, "torn", "The thread moved in every try to read it; not shown"],
    ["missed", summary.missed, "missed", "Due while p5-spy was not scheduled; not shown"],
    ["gone", summary.gone, "gone", "Of a thread that had ended, or a process that had become another program, before it was read; not shown"],
    ["failed", failed, "failed", "Could not be read; not shown"],
  ];
  const bar = el("div", { class: "account", role: "img", "aria-label": "What became of the samples" },
    parts.filter(([, n]) => n > 0).map(([name, n, , tip]) => el("i", {
      class: `is-${name}`, style: { "flex-grow": n }, "data-tip": `${tip}: ${count(n)}`,
    })));
  const words = el("p", { class: "account-words" },
    el("b", {}, plural(summary.attempted, "sample")), " were due: ",
    parts.map(([name, n, word], index) => [
      index === 0 ? "" : index === parts.length - 1 ? " and " : ", ",
      el("i", { class: `dot is-${name}` }), `${count(n)} ${word}`,
    ]), ". ",
    failed > 0 && `Failures: ${Object.entries(summary.errors)
      .map(([kind, n]) => `${visible(kind)} ${count(n)}`).join(", ")}. `,
    summary.ready > summary.good && "The program had a CPU for less than half of the time that it "
      + "wanted one. ",
    summary.unsure > 0 && `Of ${count(summary.unsure)} nobody can tell whether the program was `
      + "waiting for a CPU. ",
    summary.made_up > 0 && `Of those on a CPU ${count(summary.made_up)} stand for moments at which `
      + "p5-spy was not let in: the kernel's account says that the program had a CPU then. ",
    summary.thinned > 0 && `To cost no more than it may, p5-spy left out ${count(summary.thinned)}: `
      + "those that it took count for them. ",
    summary.thinned > 0 && summary.unseen > 0
      && `${plural(summary.unseen, "process", "processes")} ended before the next one was taken. `,
    summary.approximate > 0 && `${count(summary.approximate)} stacks are approximate: they were `
      + "read while the program could run on. ",
    report.is_cut && el("strong", {}, "The recording was cut off; this is what it has up to then. "),
    el("span", { class: "dim" }, "Shares have the margin of 95 % confidence behind them."));
  return el("section", { class: "facts" }, cards, bar, words);
}

function details() {
  const { about, summary } = report;
  const pair = (name, text) => text && [el("dt", {}, name), el("dd", {}, text)];
  return el("details", { class: "panel" }, el("summary", {}, "About this recording"), el("dl", {},
    pair("Recorded", visible(about.title)), pair("Perl", visible(about.perl)),
    pair("Folder", visible(about.folder)),
    pair("Started", about.started_ms > 0 && new Date(about.started_ms).toLocaleString()),
    compared && [pair("Before", visible(compared[0].title)), pair("After", visible(compared[1].title))],
    !compared && pair("Counted", hasWaiting ? "running and waiting threads" : "running threads"),
    pair("Ops and system calls", about.ops ? "recorded" : "not recorded (--ops)"),
    pair("p5-spy itself", `${seconds(summary.cpu_seconds)} of CPU time, `
      + plural(summary.remote_reads, "read")),
    pair("Made by", visible(about.made_by))));
}
