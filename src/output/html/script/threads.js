// Processes and threads, each of which can become the filter of the whole report.

views.threads = (main, now) => {
  const groups = new Map();
  report.threads.forEach((thread, index) => {
    const sums = now.threads[index];
    const row = { index, ...sums };
    if (!groups.has(thread.pid)) {
      groups.set(thread.pid, { pid: thread.pid, index, threads: [], running: 0, waiting: 0, ready: 0, all: 0 });
    }
    const group = groups.get(thread.pid);
    group.threads.push(row);
    for (const name of ["running", "waiting", "ready", "all"]) group[name] += row[name];
    if (row.first >= 0) {
      group.first = Math.min(group.first ?? row.first, row.first);
      group.last = Math.max(group.last ?? row.last, row.last);
    }
  });
  const span = (row) => (!hasTimes || row.first === undefined || row.first < 0 ? ""
    : el("span", {
      class: "span", "data-tip": `from ${(row.first * report.bucket_seconds).toFixed(2)} to `
        + `${((row.last + 1) * report.bucket_seconds).toFixed(2)} s`,
    }, el("i", {
      style: {
        "margin-left": `${(100 * row.first) / buckets}%`,
        width: `${Math.max(1, (100 * (row.last + 1 - row.first)) / buckets)}%`,
      },
    })));
  const numbers = [
    {
      name: "Share", number: true, value: (row) => row.all,
      cell: (row) => share(row.all, now.total),
    },
    countColumn("Running", (row) => row.running),
    countColumn("Waiting for a CPU", (row) => row.ready),
    countColumn("Waiting", (row) => row.waiting),
    { name: "Seen", cell: span, class: "seen" },
  ];
  const only = (change, text) => el("button", {
    type: "button", class: "only", onclick: () => setFilter(change),
  }, text);
  const processes = [...groups.values()].filter((g) => g.all > 0);
  const threads = processes.flatMap((g) => g.threads.filter((t) => t.all > 0));
  const both = seenStates.length > 1;
  main.append(el("div", { class: "toolbar" },
    both && choice("State", [[undefined, "All"], ...["running", "ready", "waiting"]
      .filter((name) => seenStates.includes(name)).map((name) => [name, STATE_WORDS[name]])],
      state.filter.state, (value) => setFilter({ state: value })),
    el("span", { class: "dim" }, hasWaiting ? ""
      : "Only running threads were counted; --idle counts waiting ones too.")));
  main.append(el("section", { class: "panel" }, el("h2", {}, "Processes"), table({
    label: "Processes", rows: processes, sort: 1, columns: [
      {
        name: "Process", value: (g) => g.pid, class: "main",
        cell: (g) => el("span", { class: "name" }, el("b", {}, String(g.pid)), " ",
          cut(visible(report.threads[g.index].title), 400)),
      },
      ...numbers,
      countColumn("Threads", (g) => g.threads.filter((t) => t.all > 0).length),
      { name: "", cell: (g) => only({ pid: g.pid, thread: undefined }, "only this") },
    ],
  }).node));
  main.append(el("section", { class: "panel" }, el("h2", {}, "Threads"), table({
    label: "Threads", rows: threads, sort: 2, columns: [
      {
        name: "Thread", value: (t) => t.index, class: "main",
        cell: (t) => el("span", { class: "name" }, visible(report.threads[t.index].name)),
      },
      { name: "Process", value: (t) => report.threads[t.index].pid, number: true,
        cell: (t) => String(report.threads[t.index].pid) },
      ...numbers,
      { name: "", cell: (t) => only({ thread: t.index, pid: undefined }, "only this") },
    ],
  }).node));
};
