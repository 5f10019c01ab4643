// The flame graph, on a canvas. Its boxes are made when they are first drawn, so that it makes no
// difference how many there are.

views.flame = (main, now, [byWord, searchWord = ""]) => {
  const ROW = 19, TEXT_FROM = 34, LEAST = 0.3;
  const options = flameOptions;
  if (["function", "line", "package"].includes(byWord)) options.by = byWord;
  options.search = searchWord;
  const canvas = el("canvas", {
    tabindex: "0", role: "application",
    "aria-label": "Flame graph. Arrows move between boxes, Enter zooms, Escape goes back",
  });
  const spacer = el("div", { class: "spacer" });
  const scroller = el("div", { class: "flame" }, spacer, canvas);
  const trail = el("div", { class: "trail" });
  const said = el("span", { class: "dim found", role: "status" });
  const spoken = el("div", { class: "hidden", "aria-live": "polite" });
  const severalProcesses = new Set(report.threads.map((t) => t.pid)).size > 1;
  let root, zoomed, boxes = [], chosen, hovered, matches, matched, byRow = [];

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
    key, up, samples: 0, members: [], weights: [], below: undefined, now: up?.now ?? now,
  });

  // Threads stand below what they run, each with its own samples.
  function threads(base) {
    return report.threads.flatMap((thread, index) => {
      const { running, waiting } = now.threads[index];
      if (running + waiting === 0) return [];
      const b = box(-2, base);
      b.name = visible(thread.name);
      if (severalProcesses) b.name += `, process ${thread.pid} (${cut(visible(thread.title), 100)})`;
      b.samples = running + waiting;
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
      if (now.all[n] === 0) continue;
      const key = keyOf(n);
      if (inSame && key === of_.key) {
        left.push(...childrenOf(n));
        continue;
      }
      if (!found.has(key)) found.set(key, box(key, of_));
      const child = found.get(key);
      child.members.push(n);
      child.samples += now.all[n];
    }
    return [...found.values()];
  }

  // From the inside out: a box has places on stacks, with the samples of these.
  function callers(of_) {
    const found = new Map();
    const take = (n, samples) => {
      const key = keyOf(n);
      if (!found.has(key)) found.set(key, box(key, of_));
      const child = found.get(key);
      child.members.push(n);
      child.weights.push(samples);
      child.samples += samples;
    };
    const { now } = of_;
    if (isBase(of_)) {
      for (let n = 0; n < tree.size; n++) if (now.self[n] > 0) take(n, now.self[n]);
    } else {
      of_.members.forEach((n, index) => {
        let m = parent[n];
        while (options.by === "package" && m >= 0 && pack[m] === of_.key) m = parent[m];
        if (m >= 0) take(m, of_.weights[index]);
      });
    }
    return [...found.values()];
  }

  function below(b) {
    if (!b.up && options.byThread) return threads(b);
    if (b.filter) b.now = computed(b.filter);
    return (options.inverted ? callers : callees)(b);
  }
  const children = (b) => (b.below ??= below(b).sort((x, y) => y.samples - x.samples));

  function rebuild() {
    root = box(-2);
    root.samples = now.total;
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
        if (w >= LEAST) {
          place(child, x, w, row);
          open.push([child, x, w, row + 1]);
        }
        x += w;
      }
    }
    for (const row of byRow) row.sort((a, b) => a.x - b.x);
    const least = innerHeight - scroller.getBoundingClientRect().top - scrollY - 70;
    const height = byRow.length * ROW;
    spacer.style.height = `${height}px`;
    scroller.style.height = `${Math.max(160, Math.min(height + 4, least))}px`;
    if (options.upward) scroller.scrollTop = height;
    drawTrail(above);
    draw();
  }

  const rowTop = (row) => {
    const height = Math.max(byRow.length * ROW, scroller.clientHeight);
    return options.upward ? height - (row + 1) * ROW : row * ROW;
  };

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
    const width = scroller.clientWidth, height = scroller.clientHeight;
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
    const top = scroller.scrollTop;
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
    // Of a long name the end says most.
    const tail = name.lastIndexOf("::");
    const isLong = tail > 0 && name.length * 4 > wide && pen.measureText(name).width > wide;
    const text = isLong ? name.slice(tail + 2) : name;
    let letters = Math.min(text.length, Math.floor(wide / 4));
    let piece = text.slice(0, letters);
    while (letters > 1 && pen.measureText(piece).width > wide) {
      letters = Math.min(letters - 1, Math.floor(letters * wide / pen.measureText(piece).width));
      piece = `${text.slice(0, Math.max(1, letters - 1))}…`;
    }
    return letters < 2 ? "" : piece;
  }

  function colourOf(b, isDark) {
    if (isBase(b)) return isDark ? "#4a4f5a" : "#d6d1c8";
    if (b.colour?.isDark === isDark) return b.colour.text;
    const p = packageOf(b.key), kind = kindOf(b.key);
    const shade = hueOf(nameOf(b.key)) % 11;
    const known = timeline.colourOf(p);
    const base = known && getComputedStyle(document.documentElement).getPropertyValue(known).trim();
    const isPlain = ["eval", "require", "synthetic"].includes(kind);
    let text;
    if (isPlain || OPS.has(kind)) {
      text = `hsl(${isPlain ? 40 : 205} ${isDark ? 8 : 22}% ${isDark ? 30 + shade : 80 + shade}%)`;
    } else if (base) {
      text = mixed(base, isDark ? "#1c1f24" : "#ffffff", (isDark ? 0.3 : 0.36) + shade * 0.018);
    } else {
      text = `hsl(${hueOf(p >= 0 ? packages[p] : "")} 26% ${isDark ? 30 + shade : 74 + shade}%)`;
    }
    b.colour = { isDark, text };
    return text;
  }

  function at(event) {
    const area = canvas.getBoundingClientRect();
    const x = event.clientX - area.left, y = event.clientY - area.top + scroller.scrollTop;
    const height = Math.max(byRow.length * ROW, scroller.clientHeight);
    const row = Math.floor((options.upward ? height - y : y) / ROW);
    return byRow[row]?.find((p) => x >= p.x && x < p.x + p.wide)?.b;
  }

  function zoom(b) {
    zoomed = b;
    chosen = b.up ? b : undefined;
    scroller.scrollTop = 0;
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
    const parts = [el("b", {}, cut(labelOf(b), 400)),
      el("div", {}, `${plural(b.samples, "sample")}, ${percent(b.samples, now.total)} `
        + `${margin(b.samples, now.total)} of all`)];
    if (zoomed.up && b !== zoomed) {
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
      if (y < scroller.scrollTop) scroller.scrollTop = y;
      if (y + ROW > scroller.scrollTop + scroller.clientHeight) {
        scroller.scrollTop = y + ROW - scroller.clientHeight;
      }
      const placed = boxes.find((p) => p.b === to), area = canvas.getBoundingClientRect();
      if (placed) {
        showTip(area.left + placed.x + 8, area.top + y - scroller.scrollTop + ROW, ...words(to));
      }
      draw();
    }
    return undefined;
  });
  const depthShown = (b) => boxes.find((p) => p.b === b)?.row ?? 0;
  scroller.addEventListener("scroll", () => {
    hideTip();
    draw();
  });

  const search_ = searchBox("Search the graph", (text) => {
    remember(options.by, ...(text ? [text] : []));
    search(text);
  }, options.search);
  main.append(el("div", { class: "toolbar" },
    choice("A box is", [["function", "Functions"], ["line", "Lines"], ["package", "Packages"]],
      options.by, (by) => {
        const searched = options.search && `/${encodeURIComponent(options.search)}`;
        location.hash = addressOf(`flame/${by}${searched}`);
      }),
    choice("Merged", [
      [false, "Callers first", "From the main program to what it calls"],
      [true, "Leaves first", "From what is executing back to its callers"],
    ], options.inverted, (inverted) => {
      options.inverted = inverted;
      rebuild();
    }),
    choice("Direction", [[false, "↓", "Grows downwards"], [true, "↑", "Grows upwards"]],
      options.upward, (upward) => {
        options.upward = upward;
        layout();
      }),
    report.threads.length > 1 && choice("Threads", [
      [false, "All in one"], [true, "By thread", "Each thread by itself"],
    ], options.byThread, (byThread) => {
      options.byThread = byThread;
      rebuild();
    }),
    search_, said,
    el("button", { type: "button", onclick: () => zoom(root) }, "Reset")),
  trail, scroller, spoken);
  if (now.total === 0) main.append(el("p", { class: "notice" }, "No sample passes the filters."));
  rebuild();
  const observer = new ResizeObserver(debounced(layout, 30));
  observer.observe(main);
  return () => observer.disconnect();
};

// A colour and some of another one, both as #rrggbb.
function mixed(one, other, part) {
  const bytes = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  const [a, b] = [bytes(one), bytes(other)];
  return `rgb(${a.map((v, i) => Math.round(v * (1 - part) + b[i] * part)).join(" ")})`;
}

// What the reader chose stays chosen.
const flameOptions = {
  by: report.by, inverted: false, upward: false, byThread: report.by_thread,
  search: "",
};
