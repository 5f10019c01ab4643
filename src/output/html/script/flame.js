// The flame graph, on a canvas. Its boxes are made when they are first drawn, so that it makes no
// difference how many there are.

views.flame = (main, now, [byWord, searchWord = "", orderWord]) => {
  const options = flameOptions;
  if (["function", "line", "package"].includes(byWord)) options.by = byWord;
  options.search = searchWord;
  if (["callers", "leaves", "time"].includes(orderWord)) options.order = orderWord;
  if (!hasTimes && options.order === "time") options.order = "callers";
  // Of a comparison both sides, the earlier one above.
  const sides = !compared ? [[now]]
    : state.filter.thread === 1 ? [[state.other, now], [now, state.other]]
      : [[now, state.other], [state.other, now]];
  const graphs = sides.map(([of, other], side) => flameGraph(of, other, side, options));
  const all = (change) => () => graphs.forEach(change);
  const set = (name, after) => (value) => {
    options[name] = value;
    graphs.forEach(after);
  };
  // What stands in the address behind the kind of box.
  const rest = () => (options.order !== "callers" ? [options.search, options.order]
    : options.search ? [options.search] : []);
  const rebuild = (graph) => graph.rebuild(), layout = (graph) => graph.layout();
  main.append(el("div", { class: "toolbar" },
    choice("A box is", [["function", "Functions"], ["line", "Lines"], ["package", "Packages"]],
      options.by, (by) => {
        location.hash = addressOf(["flame", by, ...rest()].map(encodeURIComponent).join("/"));
      }),
    choice("Order", [
      ["callers", "Callers first", "From the main program to what it calls"],
      ["leaves", "Leaves first", "From what is executing back to its callers"],
      ...(hasTimes ? [["time", "By time", "A flame chart: time goes from the left to the right"]] : []),
    ], options.order, (order) => {
      set("order", rebuild)(order);
      remember(options.by, ...rest());
    }),
    choice("Direction", [[false, "↓", "Grows downwards"], [true, "↑", "Grows upwards"]],
      options.upward, set("upward", layout)),
    report.threads.length > 1 && !compared && choice("Threads", [
      [false, "All in one"], [true, "By thread", "Each thread by itself"],
    ], options.byThread, set("byThread", rebuild)),
    searchBox("Search the graph", (text) => {
      graphs.forEach((graph) => graph.search(text));
      options.search = text;
      remember(options.by, ...rest());
    }, options.search), !compared && graphs[0].said,
    el("button", { type: "button", onclick: all((graph) => graph.zoomOut()) }, "Reset"),
    compared && el("span", { class: "dim" }, "Red has grown from before to after, blue has shrunk.")));
  for (const graph of graphs) main.append(...graph.nodes);
  graphs.forEach(rebuild);
  const observer = new ResizeObserver(debounced(() => graphs.forEach(layout), 30));
  observer.observe(main);
  const scrolled = () => graphs.forEach((graph) => graph.scrolled());
  addEventListener("scroll", scrolled, { passive: true });
  return () => {
    observer.disconnect();
    removeEventListener("scroll", scrolled);
  };
};

// One graph. With `other`, what the same boxes have on the other side decides their colours.
function flameGraph(now, other, side, options) {
  const ROW = 19, TEXT_FROM = 34, LEAST = 0.3;
  const canvas = el("canvas", {
    tabindex: "0", role: "application",
    "aria-label": "Flame graph. Arrows move between boxes, Enter zooms, Escape goes back",
  });
  const scroller = el("div", { class: "flame" }, canvas);
  const trail = el("div", { class: "trail" });
  const said = el("span", { class: "dim found", role: "status" });
  const spoken = el("div", { class: "hidden", "aria-live": "polite" });
  const severalProcesses = new Set(report.threads.map((t) => t.pid)).size > 1;
  let root, zoomed, rows = 0, boxes = [], chosen, hovered, matches, matched, byRow = [];

  const { parent, of, head, next, pack } = tree;
  const { functions, frames, stacks, packages } = report;

  // What a stack's innermost frame is a box of; -1 for what belongs to the box below.
  const keyOf = {
    function: (n) => of[n], line: (n) => stacks.frame[n], package: (n) => pack[n],
  }[options.by];
  const nameOf = {
    function: (key) => functionNames[key],
    line: (key) => {
      const name = functionNames[frames.function[key]];
      const file = frames.file[key];
      return file < 0 ? name : `${name} (${visible(placeName(file, frames.line[key]))})`;
    },
    package: (key) => (key < 0 ? "(none)" : visible(packages[key])),
  }[options.by];
  const packageOf = {
    function: (key) => functions.package[key],
    line: (key) => functions.package[frames.function[key]],
    package: (key) => key,
  }[options.by];
  const kindOf = {
    function: (key) => functions.kind[key],
    line: (key) => functions.kind[frames.function[key]],
    package: () => "sub",
  }[options.by];

  const box = (key, up) => ({
    key, up, samples: 0, others: 0, members: [], weights: [], otherWeights: [], below: undefined,
    now: up?.now ?? now,
  });
  const inverted = () => options.order === "leaves", isChart = () => options.order === "time";

  // Threads stand below what they run, each with its own samples.
  function threads(base) {
    return report.threads.flatMap((thread, index) => {
      const { all } = now.threads[index];
      if (all === 0) return [];
      const b = box(-2, base);
      b.name = visible(thread.name);
      if (severalProcesses) b.name += `, process ${thread.pid} (${cut(visible(thread.title), 100)})`;
      b.samples = all;
      b.filter = { ...now.filter, thread: index };
      return [b];
    });
  }
  // Whether a box is what stacks stand on, and none of their frames.
  const isBase = (b) => !b.up || b.filter !== undefined;

  const outermost = [...parent.keys()].filter((n) => parent[n] < 0);
  const childrenOf = (n) => {
    const list = [];
    for (let m = head[n]; m >= 0; m = next[m]) list.push(m);
    return list;
  };

  // From the outside in: a box has stacks, its children are those of these.
  function callees(of_) {
    const found = new Map();
    const { now } = of_;
    const open = isBase(of_) ? outermost : of_.members.flatMap(childrenOf);
    const inSame = options.by === "package" && !isBase(of_);
    const left = [...open];
    while (left.length > 0) {
      const n = left.pop();
      if (now.all[n] === 0 && !(other?.all[n] > 0)) continue;
      const key = keyOf(n);
      if (inSame && key === of_.key) {
        left.push(...childrenOf(n));
        continue;
      }
      if (!found.has(key)) found.set(key, box(key, of_));
      const child = found.get(key);
      child.members.push(n);
      child.samples += now.all[n];
      child.others += other?.all[n] ?? 0;
    }
    return [...found.values()].filter((child) => child.samples > 0);
  }

  // From the inside out: a box has places on stacks, with the samples of these.
  function callers(of_) {
    const found = new Map();
    const take = (n, samples, others) => {
      const key = keyOf(n);
      if (!found.has(key)) found.set(key, box(key, of_));
      const child = found.get(key);
      child.members.push(n);
      child.weights.push(samples);
      child.samples += samples;
      child.otherWeights.push(others);
      child.others += others;
    };
    const { now } = of_;
    if (isBase(of_)) {
      for (let n = 0; n < tree.size; n++) {
        const others = other?.self[n] ?? 0;
        if (now.self[n] > 0 || others > 0) take(n, now.self[n], others);
      }
    } else {
      of_.members.forEach((n, index) => {
        let m = parent[n];
        while (options.by === "package" && m >= 0 && pack[m] === of_.key) m = parent[m];
        if (m >= 0) take(m, of_.weights[index], of_.otherWeights[index]);
      });
    }
    return [...found.values()].filter((child) => child.samples > 0);
  }

  // By time: each piece of the recording has the stack that was seen most in it, or the last one if
  // that is not long ago. Boxes are stretches of such pieces.
  const paths = new Map();
  function pathOf(n) {
    if (!paths.has(n)) {
      const path = [];
      for (let m = n; m >= 0; m = parent[m]) {
        const key = keyOf(m);
        if (options.by !== "package" || path.at(-1) !== key) path.push(key);
      }
      paths.set(n, path.reverse());
    }
    return paths.get(n);
  }

  function pieces(filter) {
    const from = filter.from ?? 0, to = filter.to ?? buckets;
    const stack = new Int32Array(to - from).fill(-1), most = new Float64Array(to - from);
    const { start } = report.samples;
    let bucket = from;
    eachSample(filter, (row, n, who, samples) => {
      while (start[bucket + 1] <= row) bucket++;
      const at = bucket - from;
      if (at < most.length && samples > most[at]) [most[at], stack[at]] = [samples, n];
    });
    const period = report.about.rate > 0 ? 1 / (report.about.rate * report.bucket_seconds) : 1;
    for (let at = 0, last = -1; at < stack.length; at++) {
      if (most[at] === 0) continue;
      const isNear = last >= 0 && at - last <= Math.ceil(3 * period);
      const end = isNear ? at : Math.min(at, last + Math.ceil(period));
      if (last >= 0) stack.fill(stack[last], last + 1, end);
      last = at;
      if (!most.subarray(at + 1).some((samples) => samples > 0)) {
        stack.fill(stack[at], at + 1, Math.min(stack.length, at + Math.ceil(period)));
        break;
      }
    }
    return stack;
  }

  function stretches(b) {
    const filter = b.now.filter;
    if (isBase(b)) Object.assign(b, { pieces: pieces(filter), first: 0, depth: 0 });
    const end = isBase(b) ? b.pieces.length : b.end, list = [];
    for (let at = b.first; at < end; at++) {
      const key = b.pieces[at] < 0 ? undefined : pathOf(b.pieces[at])[b.depth];
      const last = list.at(-1);
      if (last && last.key === key) {
        last.end = at + 1;
        last.samples++;
      } else {
        list.push(Object.assign(box(key, b), {
          pieces: b.pieces, first: at, end: at + 1, depth: b.depth + 1, samples: 1,
          isGap: key === undefined,
        }));
      }
    }
    b.samples = end - b.first;
    return list;
  }

  function below(b) {
    const several = now.threads.filter(({ all }) => all > 0).length > 1;
    if (!b.up && (options.byThread || (isChart() && several)) && !compared) return threads(b);
    if (b.filter) b.now = computed(b.filter);
    if (isChart()) return stretches(b);
    return (inverted() ? callers : callees)(b).sort((x, y) => y.samples - x.samples);
  }
  const children = (b) => (b.below ??= below(b));

  function rebuild() {
    paths.clear();
    root = box(-2);
    root.samples = now.total;
    root.others = other?.total ?? 0;
    if (isChart()) children(root);
    zoomed = root;
    chosen = hovered = undefined;
    search(options.search);
  }

  function search(text) {
    options.search = text;
    matches = undefined;
    matched = 0;
    if (text.trim()) {
      const fits = matcher(text), known = new Map();
      matches = (key) => {
        if (!known.has(key)) known.set(key, fits(nameOf(key)));
        return known.get(key);
      };
      const within = new Uint8Array(tree.size);
      for (let n = 0; n < tree.size; n++) {
        within[n] = matches(keyOf(n)) || (parent[n] >= 0 && within[parent[n]]) ? 1 : 0;
        if (within[n]) matched += now.self[n];
      }
    }
    said.textContent = matches
      ? `${percent(matched, now.total)} of all samples have a match` : "";
    layout();
  }

  // Places all boxes that can be seen; what is too narrow has none.
  function layout() {
    const width = scroller.clientWidth || 800;
    boxes = [];
    byRow = [];
    const place = (b, x, wide, row) => {
      const placed = { b, x, wide, row };
      boxes.push(placed);
      (byRow[row] ??= []).push(placed);
    };
    const above = [];
    for (let b = zoomed; b; b = b.up) above.unshift(b);
    above.forEach((b, row) => place(b, 0, width, row));
    const open = [[zoomed, 0, width, above.length]];
    while (open.length > 0) {
      const [b, left, wide, row] = open.pop();
      let x = left;
      for (const child of children(b)) {
        const w = b.samples > 0 ? (child.samples / b.samples) * wide : 0;
        if (w >= LEAST && !child.isGap) {
          place(child, x, w, row);
          open.push([child, x, w, row + 1]);
        }
        x += w;
      }
    }
    for (const row of byRow) row.sort((a, b) => a.x - b.x);
    // As high as it needs to be: the page scrolls, and the canvas stays where it can be seen.
    const was = rows;
    rows = Math.max(8, byRow.length);
    scroller.style.height = `${rows * ROW + 2}px`;
    if (options.upward && was !== rows) {
      const { bottom } = scroller.getBoundingClientRect();
      if (bottom > innerHeight) scrollBy(0, bottom - innerHeight + 12);
    }
    drawTrail(above);
    draw();
  }

  const rowTop = (row) => (options.upward ? rows - row - 1 : row) * ROW;
  const topOfCanvas = () =>
    canvas.getBoundingClientRect().top - scroller.getBoundingClientRect().top - 1;

  let queued = false;
  function draw() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      paint();
    });
  }

  function paint() {
    const width = scroller.clientWidth, height = Math.min(rows * ROW, innerHeight);
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const css = getComputedStyle(document.documentElement);
    const isDark = css.getPropertyValue("--is-dark").trim() === "1";
    pen.font = `12px ${css.getPropertyValue("--sans")}`;
    pen.textBaseline = "middle";
    const top = topOfCanvas();
    const ink = css.getPropertyValue("--box-ink"), accent = css.getPropertyValue("--accent");
    const outer = depthOf(zoomed);
    for (const placed of boxes) {
      const { b, x, wide, row } = placed;
      const y = rowTop(row) - top;
      if (y + ROW < 0 || y > height) continue;
      pen.globalAlpha = row < outer ? 0.55 : 1;
      pen.fillStyle = matches && !isBase(b) && !matches(b.key)
        ? (isDark ? "#33363d" : "#e6e3dd") : colourOf(b, isDark);
      pen.fillRect(x, y + 0.5, Math.max(0.5, wide - (wide > 3 ? 1 : 0)), ROW - 1);
      if (placed.b === chosen || placed.b === hovered) {
        pen.strokeStyle = placed.b === chosen ? accent : ink;
        pen.lineWidth = placed.b === chosen ? 2 : 1;
        pen.strokeRect(x + 1, y + 1.5, Math.max(1, wide - 3), ROW - 3);
      }
      if (wide < TEXT_FROM) continue;
      pen.fillStyle = ink;
      pen.fillText(fitted(pen, labelOf(b), wide - 9), x + 4, y + ROW / 2 + 0.5);
    }
    pen.globalAlpha = 1;
  }

  const depthOf = (b) => {
    let depth = 0;
    for (let up = b.up; up; up = up.up) depth++;
    return depth;
  };

  const labelOf = (b) => (!b.up ? `all (${plural(now.total, "sample")})`
    : b.name ?? nameOf(b.key));

  // Widths of texts are dear; that of a letter is good enough to begin with.
  function fitted(pen, name, wide) {
    // Of a long name the end says most; of a sub's own name both ends do.
    const tail = name.lastIndexOf("::");
    const isLong = tail > 0 && name.length * 4 > wide && pen.measureText(name).width > wide;
    const text = isLong ? name.slice(tail + 2) : name;
    let letters = Math.min(text.length, Math.floor(wide / 4));
    // Where there is hardly room for letters, those at the beginning tell more.
    const shortened = (room) => (room > 8 ? cut(text, room)
      : room < text.length ? `${text.slice(0, Math.max(1, room - 1))}…` : text);
    let piece = shortened(letters);
    while (letters > 1 && pen.measureText(piece).width > wide) {
      letters = Math.min(letters - 1, Math.floor(letters * wide / pen.measureText(piece).width));
      piece = shortened(letters);
    }
    return letters < 2 ? "" : piece;
  }

  function colourOf(b, isDark) {
    if (isBase(b)) return isDark ? "#4a4f5a" : "#d6d1c8";
    if (other) return colourOfChange(b, isDark);
    if (b.colour?.isDark === isDark) return b.colour.text;
    const p = packageOf(b.key), kind = kindOf(b.key);
    const shade = hueOf(nameOf(b.key)) % 11;
    const known = timeline.colourOf(p);
    const base = known && getComputedStyle(document.documentElement).getPropertyValue(known).trim();
    const isPlain = ["eval", "require", "synthetic"].includes(kind);
    let text;
    if (isPlain || OPS.has(kind)) {
      const [hue, strength] = isPlain ? [40, 22] : kind === "native" ? [220, 42] : [205, 22];
      text = `hsl(${hue} ${isDark ? strength / 2.75 : strength}% ${isDark ? 30 + shade : 80 + shade}%)`;
    } else if (base) {
      text = mixed(base, isDark ? "#1c1f24" : "#ffffff", (isDark ? 0.3 : 0.36) + shade * 0.018);
    } else {
      text = `hsl(${hueOf(p >= 0 ? packages[p] : "")} 26% ${isDark ? 30 + shade : 74 + shade}%)`;
    }
    b.colour = { isDark, text };
    return text;
  }

  // Points from before to after; red where it grew, whichever side is shown.
  function grown(b) {
    const by = 100 * (b.samples / (now.total || 1) - b.others / (other.total || 1));
    return side === 1 ? by : -by;
  }

  function colourOfChange(b, isDark) {
    const by = grown(b), noise = marginOfChange(b.samples, now.total, b.others, other.total);
    const strength = Math.abs(by) > noise ? Math.sqrt(Math.min(1, Math.abs(by) / 10)) : 0;
    const [plain, full] = [isDark ? "#3a3d45" : "#eae7e1", by > 0
      ? (isDark ? "#b5402f" : "#ee6a55") : (isDark ? "#2f5fb5" : "#6f9fe8")];
    return mixed(plain, full, strength);
  }

  function at(event) {
    const area = scroller.getBoundingClientRect();
    const x = event.clientX - area.left - 1, y = event.clientY - area.top - 1;
    const row = Math.floor((options.upward ? rows * ROW - y : y) / ROW);
    return byRow[row]?.find((p) => x >= p.x && x < p.x + p.wide)?.b;
  }

  function zoom(b) {
    zoomed = b;
    chosen = b.up ? b : undefined;
    layout();
  }

  function drawTrail(above) {
    const parts = above.length > 9 ? [...above.slice(0, 2), undefined, ...above.slice(-6)] : above;
    trail.replaceChildren(...parts.flatMap((b, index) => [
      index > 0 ? el("span", { class: "dim" }, " › ") : "",
      b ? el("button", { type: "button", onclick: () => zoom(b) }, cut(b.up ? labelOf(b) : "all", 50))
        : "…",
    ]));
    const f = functionOf(zoomed);
    if (f !== undefined) {
      trail.append(" ", link(`function/${f}`, "callers and callees", { class: "all" }));
    }
  }

  const functionOf = (b) => (isBase(b) || options.by === "package" ? undefined
    : options.by === "line" ? frames.function[b.key] : b.key);

  function words(b) {
    const parts = [el("b", {}, cut(labelOf(b), 2000))];
    if (b.pieces && !isBase(b)) {
      const time = (at) => (((b.now.filter.from ?? 0) + at) * report.bucket_seconds).toFixed(3);
      parts.push(el("div", {}, `from ${time(b.first)} to ${time(b.end)} s: `
        + seconds(b.samples * report.bucket_seconds)));
    } else {
      parts.push(el("div", {}, `${plural(b.samples, "sample")}, ${percent(b.samples, now.total)} `
        + `${margin(b.samples, now.total)} of all`));
    }
    if (other) {
      const by = grown(b);
      parts.push(el("div", {}, `${SIDES[1 - side]}: ${percent(b.others, other.total)}; `
        + `${by > 0 ? "+" : ""}${by.toFixed(1)} from before to after`));
    }
    if (zoomed.up && b !== zoomed && !b.pieces) {
      parts.push(el("div", {}, `${percent(b.samples, zoomed.samples)} of ${cut(labelOf(zoomed), 80)}`));
    }
    const f = functionOf(b);
    if (f !== undefined && whereText(f)) {
      parts.push(el("div", { class: "dim" }, cut(visible(whereText(f)), 200)));
    }
    return parts;
  }

  canvas.addEventListener("pointermove", (event) => {
    const b = at(event);
    if (b !== hovered) {
      hovered = b;
      draw();
    }
    canvas.style.cursor = b ? "pointer" : "default";
    if (b) showTip(event.clientX, event.clientY, ...words(b));
    else hideTip();
  });
  canvas.addEventListener("pointerleave", () => {
    hovered = undefined;
    hideTip();
    draw();
  });
  canvas.addEventListener("click", (event) => {
    const b = at(event);
    if (b) zoom(b);
  });
  canvas.addEventListener("dblclick", (event) => {
    const f = at(event) && functionOf(at(event));
    if (f !== undefined) location.hash = addressOf(`function/${f}`);
  });
  canvas.addEventListener("keydown", (event) => {
    const beside = (step) => {
      const row = byRow[chosen ? depthShown(chosen) : 0] ?? [];
      return row[row.findIndex((p) => p.b === chosen) + step]?.b;
    };
    const inward = () => (chosen && chosen !== root ? children(chosen) : children(zoomed))
      .find((b) => boxes.some((p) => p.b === b));
    const way = options.upward ? { ArrowUp: "in", ArrowDown: "out" }
      : { ArrowDown: "in", ArrowUp: "out" };
    let to;
    if (way[event.key] === "in") to = inward();
    else if (way[event.key] === "out") to = chosen?.up;
    else if (event.key === "ArrowLeft") to = beside(-1);
    else if (event.key === "ArrowRight") to = beside(1);
    else if (event.key === "Enter" && chosen) return zoom(chosen);
    else if (event.key === "Escape" || event.key === "Backspace") {
      event.preventDefault();
      return zoom(event.key === "Backspace" && zoomed.up ? zoomed.up : root);
    } else return undefined;
    event.preventDefault();
    if (to) {
      chosen = to;
      spoken.textContent = `${labelOf(to)}, ${percent(to.samples, now.total)}`;
      const y = rowTop(depthShown(to));
      const above = scroller.getBoundingClientRect().top + y;
      if (above < 0) scrollBy(0, above - 8);
      if (above + ROW > innerHeight) scrollBy(0, above + ROW - innerHeight + 8);
      const placed = boxes.find((p) => p.b === to), area = scroller.getBoundingClientRect();
      if (placed) {
        showTip(area.left + placed.x + 8, area.top + y + ROW, ...words(to));
      }
      draw();
    }
    return undefined;
  });
  const depthShown = (b) => boxes.find((p) => p.b === b)?.row ?? 0;
  const heading = compared && el("h2", { class: "side" }, `${SIDES[side]}: `,
    cut(visible(compared[side].title), 200), el("span", { class: "dim" }, " ", said));
  return {
    said, rebuild, layout, search,
    nodes: [heading, trail, scroller, spoken,
      now.total === 0 && el("p", { class: "notice" }, "No sample passes the filters."),
    ].filter(Boolean),
    zoomOut: () => zoom(root),
    scrolled: () => {
      hideTip();
      draw();
    },
  };
}

// A colour and some of another one, both as #rrggbb.
function mixed(one, other, part) {
  const bytes = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  const [a, b] = [bytes(one), bytes(other)];
  return `rgb(${a.map((v, i) => Math.round(v * (1 - part) + b[i] * part)).join(" ")})`;
}

// What the reader chose stays chosen.
const flameOptions = {
  by: report.by, order: "callers", upward: false, byThread: report.by_thread,
  search: "",
};
