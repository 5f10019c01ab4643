// The load over time, of which a span can be picked.

const timeline = (() => {
  const SERIES = 6, HEIGHT = 92, LOW = 44, AXIS = 18;
  const root = byId("timeline");
  let canvas, keys, key, bins, dragged;

  // The packages that get a colour, by their own samples of the whole recording.
  const top = (() => {
    const own = everything.packages.own;
    const order = [...own.keys()].sort((a, b) => own[b] - own[a]).filter((p) => own[p] > 0);
    return order.slice(0, SERIES);
  })();
  const seriesOf = new Int32Array(report.packages.length + 1).fill(SERIES);
  top.forEach((p, index) => (seriesOf[p] = index));
  // Behind the packages those that want a CPU, and those that want something else.
  const READY = SERIES + 1, WAITING = SERIES + 2, ALL = SERIES + 3;
  const COLOURS = [...Array(SERIES + 1).keys()].map((s) => `--series-${s}`)
    .concat("--ready-load", "--waiting");

  const duration = buckets * report.bucket_seconds;

  // Samples by bin and series: a bin is wide enough for some samples.
  function binned(width) {
    const least = report.about.rate > 0 ? 12 / report.about.rate : duration / 100;
    const wanted = Math.max(1, Math.min(Math.floor(width / 3), Math.floor(duration / least)));
    const size = Math.max(1, Math.ceil(buckets / wanted)), number = Math.ceil(buckets / size);
    const sums = new Float64Array(number * ALL), samplesIn = new Float64Array(number);
    const perThread = size * report.bucket_seconds * report.about.rate;
    const { thread, pid, state: only } = state.filter;
    const { start } = report.samples;
    let bucket = 0, open = 0, rows = [], ofThread = new Map();
    // Samples come at random distances, so that there are some more than were due now and then; but
    // no thread has more of the time than all.
    const close = () => {
      const most = perThread * (Math.min(size, buckets - open * size) / size);
      for (const [who, series, samples] of rows) {
        const scale = most > 0 ? Math.min(1, most / ofThread.get(who)) : 1;
        sums[open * ALL + series] += samples * scale;
        samplesIn[open] += samples;
      }
      rows = [];
      ofThread = new Map();
    };
    eachSample({ thread, pid, state: only }, (row, stack, who, samples) => {
      while (start[bucket + 1] <= row) bucket++;
      const bin = Math.floor(bucket / size), p = tree.pack[stack];
      if (bin !== open) close();
      open = bin;
      const doing = STATES[stateOf(who)];
      const series = doing === "ready" ? READY : doing === "waiting" ? WAITING
        : p < 0 ? SERIES : seriesOf[p];
      rows.push([threadOf(who), series, samples]);
      ofThread.set(threadOf(who), (ofThread.get(threadOf(who)) ?? 0) + samples);
    });
    close();
    let most = 0;
    for (let bin = 0; bin < number; bin++) {
      // The last one may be shorter.
      const share = Math.min(size, buckets - bin * size) / size;
      let sum = 0;
      for (let s = 0; s < ALL; s++) sum += sums[bin * ALL + s] / share;
      if (bin < number - 1 || number === 1) most = Math.max(most, sum);
    }
    return { size, number, sums, samplesIn, most, perThread };
  }

  const timeAt = (x) => {
    const box = canvas.getBoundingClientRect();
    return Math.max(0, Math.min(buckets, Math.round(((x - box.left) / box.width) * buckets)));
  };

  function draw() {
    if (!hasTimes) {
      root.hidden = true;
      return;
    }
    if (!canvas) build();
    const isLow = state.view !== "overview";
    root.className = isLow ? "low" : "";
    const height = isLow ? LOW : HEIGHT;
    const width = canvas.parentNode.clientWidth, scale = devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round((height + AXIS) * scale);
    canvas.style.height = `${height + AXIS}px`;
    const newKey = JSON.stringify([width, state.filter.thread, state.filter.pid, state.filter.state]);
    if (newKey !== key) bins = binned(width);
    key = newKey;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const css = getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue(name).trim();
    const span = dragged ?? (state.filter.from !== undefined ? state.filter : undefined);

    // A round number of busy threads is the top of the picture.
    const busy = bins.most / bins.perThread;
    const ceiling = (busy <= 1.15 ? Math.max(1, busy) : busy * 1.05) * bins.perThread || 1;
    const step = width / (buckets / bins.size);
    for (let bin = 0; bin < bins.number; bin++) {
      const share = Math.min(bins.size, buckets - bin * bins.size) / bins.size;
      let y = height;
      for (let s = 0; s < ALL; s++) {
        const sum = bins.sums[bin * ALL + s] / share;
        if (sum === 0) continue;
        const tall = Math.min(y, (sum / ceiling) * (height - 4));
        pen.fillStyle = colour(COLOURS[s]);
        pen.fillRect(bin * step, y - tall, Math.max(0.5, step * share - (step > 4 ? 1 : 0)), tall);
        y -= tall;
      }
    }
    pen.fillStyle = colour("--line");
    pen.fillRect(0, height, width, 1);
    drawAxis(pen, width, height, colour("--dim"), css);
    const one = height - (bins.perThread / ceiling) * (height - 4);
    if (one > 2 && busy > 1.15) {
      pen.fillStyle = colour("--dim");
      pen.globalAlpha = 0.5;
      for (let x = 0; x < width; x += 6) pen.fillRect(x, one, 3, 1);
      pen.globalAlpha = 1;
    }
    if (span) {
      const [left, right] = [span.from, span.to].map((bucket) => (bucket / buckets) * width);
      pen.fillStyle = colour("--veil");
      pen.fillRect(0, 0, left, height);
      pen.fillRect(right, 0, width - right, height);
      pen.fillStyle = colour("--accent");
      pen.fillRect(left - 1, 0, 2, height);
      pen.fillRect(right - 1, 0, 2, height);
    }
    drawWords(isLow, ceiling);
  }

  function drawAxis(pen, width, height, colour, css) {
    const rough = duration / Math.max(2, width / 90);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough);
    pen.fillStyle = colour;
    pen.font = `11px ${css.getPropertyValue("--sans")}`;
    pen.textBaseline = "top";
    for (let time = 0, n = 0; time <= duration; time = ++n * step) {
      const x = (time / duration) * width;
      pen.fillRect(Math.min(x, width - 1), height, 1, 4);
      const text = `${Number(time.toPrecision(6))} s`;
      pen.textAlign = n === 0 ? "left" : x > width - 26 ? "right" : "center";
      pen.fillText(text, Math.min(x, width), height + 5);
    }
  }

  function drawWords(isLow, ceiling) {
    const items = [];
    const item = (name, text) => items.push(el("span", { class: "legend" },
      el("i", { style: { background: `var(${name})` } }), cut(text, 60)));
    top.forEach((p, index) => item(`--series-${index}`, visible(report.packages[p])));
    if (report.packages.length > top.length) item(`--series-${SERIES}`, "other packages");
    if (seenStates.includes("ready")) item(COLOURS[READY], "waiting for a CPU");
    if (seenStates.includes("waiting")) item(COLOURS[WAITING], "waiting");
    const threads = (ceiling / bins.perThread).toFixed(1);
    keys.replaceChildren(...(isLow ? [] : [
      el("span", { class: "dim" }, `Load, own time by package; full height is ${threads} `
        + `${threads === "1.0" ? "thread" : "threads"}`), ...items]));
    const from = (state.filter.from ?? 0) * report.bucket_seconds;
    canvas.setAttribute("aria-valuenow", from.toFixed(2));
    canvas.setAttribute("aria-valuetext", state.filter.from === undefined ? "the whole recording"
      : byId("filters").firstChild?.firstChild?.textContent ?? "");
  }

  function pick(from, to) {
    const whole = from <= 0 && to >= buckets;
    setFilter(whole || to <= from ? { from: undefined, to: undefined } : { from, to });
  }

  function build() {
    canvas = el("canvas", {
      tabindex: "0", role: "slider", "aria-label": "Span of time; drag, or use the arrow keys",
      "aria-valuemin": "0", "aria-valuemax": String(duration.toFixed(2)), "aria-valuenow": "0",
    });
    keys = el("div", { class: "keys" });
    root.replaceChildren(el("div", { class: "plot" }, canvas), keys);
    let start;
    canvas.addEventListener("pointerdown", (event) => {
      start = timeAt(event.clientX);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const at = timeAt(event.clientX);
      if (start !== undefined) {
        dragged = { from: Math.min(start, at), to: Math.max(start, at) };
        draw();
      }
      tip(event, at);
    });
    const end = () => {
      const span = dragged;
      start = undefined;
      dragged = undefined;
      // A click takes the span away.
      if (span && span.to - span.from >= Math.max(1, buckets / 400)) pick(span.from, span.to);
      else if (state.filter.from !== undefined) pick(0, buckets);
      else draw();
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", () => { start = dragged = undefined; draw(); });
    canvas.addEventListener("pointerleave", hideTip);
    canvas.addEventListener("keydown", onKey);
    new ResizeObserver(() => draw()).observe(root);
  }

  // Arrows move the span, with Shift its end; the first one makes one of a tenth.
  function onKey(event) {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") pick(0, buckets);
    if (!way) return;
    event.preventDefault();
    const tenth = Math.max(1, Math.round(buckets / 10)), step = Math.max(1, Math.round(buckets / 50));
    let { from, to } = state.filter;
    if (from === undefined) [from, to] = way > 0 ? [0, tenth] : [buckets - tenth, buckets];
    else if (event.shiftKey) to = Math.max(from + 1, Math.min(buckets, to + way * step));
    else {
      const move = Math.max(-from, Math.min(buckets - to, way * step));
      [from, to] = [from + move, to + move];
    }
    setFilter({ from, to });
  }

  function tip(event, at) {
    if (!bins) return;
    const bin = Math.min(bins.number - 1, Math.floor(at / bins.size));
    const sums = bins.sums.subarray(bin * ALL, (bin + 1) * ALL);
    const all = sums.reduce((a, b) => a + b, 0);
    const names = [...top.map((p) => visible(report.packages[p])), "other packages"];
    if (top.length < SERIES) names.splice(top.length, 0, ...Array(SERIES - top.length).fill(""));
    names.push("waiting for a CPU", "waiting");
    const lines = [...sums.keys()].filter((s) => sums[s] > 0).sort((a, b) => sums[b] - sums[a])
      .map((s) => el("div", {}, `${percent(sums[s], all)}  ${cut(names[s], 60)}`));
    const from = (bin * bins.size * report.bucket_seconds).toFixed(2);
    showTip(event.clientX, event.clientY,
      el("b", {}, `${from} s: ${plural(bins.samplesIn[bin], "sample")}`), ...lines);
  }

  // What the other views colour packages with.
  const colourOf = (p) => (p >= 0 && seriesOf[p] < SERIES ? `--series-${seriesOf[p]}` : undefined);
  return { draw, colourOf };
})();
