// The profile: its tables as they came, and what follows from them for the samples that are
// looked at.

const report = JSON.parse(byId("data").textContent);

const OPS = new Set(["op", "syscall", "native"]);

// What never changes: for each stack its function, line, package and file, and whether that is
// the first of its kind from the outside, so that recursion is not counted twice.
const tree = (() => {
  const { functions, frames, stacks, files, packages } = report;
  const size = stacks.caller.length;
  const parent = new Int32Array(size), of = new Int32Array(size), owner = new Int32Array(size);
  const line = new Int32Array(size), file = new Int32Array(size), pack = new Int32Array(size);
  const head = new Int32Array(size).fill(-1), next = new Int32Array(size).fill(-1);

  // Lines that something executes.
  const lineIds = new Map(), lines = { file: [], line: [] };
  const lineOfFrame = frames.function.map((_, index) => {
    const [at, number] = [frames.file[index], frames.line[index]];
    if (at < 0 || number === 0) return -1;
    const key = at * 0x1_0000_0000 + number;
    if (!lineIds.has(key)) {
      lineIds.set(key, lines.file.length);
      lines.file.push(at);
      lines.line.push(number);
    }
    return lineIds.get(key);
  });

  for (let n = 0; n < size; n++) {
    const up = stacks.caller[n] - 1, at = stacks.frame[n];
    const f = frames.function[at];
    parent[n] = up;
    of[n] = f;
    line[n] = lineOfFrame[at];
    file[n] = frames.file[at];
    pack[n] = functions.package[f] >= 0 ? functions.package[f] : up >= 0 ? pack[up] : -1;
    // What an op takes is its function's own.
    owner[n] = OPS.has(functions.kind[f]) && up >= 0 ? owner[up] : n;
  }
  for (let n = size - 1; n >= 0; n--) {
    if (parent[n] < 0) continue;
    next[n] = head[parent[n]];
    head[parent[n]] = n;
  }

  // For each stack bits: one for each of the columns in which what it has is not in its callers.
  function firsts(columns) {
    const first = new Uint8Array(size);
    const kinds = columns.map(([ids, length], bit) => ({ ids, open: new Int32Array(length), bit }));
    const enter = (n) => {
      for (const { ids, open, bit } of kinds) {
        if (ids[n] >= 0 && open[ids[n]]++ === 0) first[n] |= 1 << bit;
      }
    };
    const leave = (n) => {
      for (const { ids, open } of kinds) if (ids[n] >= 0) open[ids[n]]--;
    };
    for (let root = 0; root < size; root++) {
      if (parent[root] >= 0) continue;
      let n = root;
      enter(n);
      for (;;) {
        if (head[n] >= 0) {
          n = head[n];
        } else {
          leave(n);
          while (n !== root && next[n] < 0) {
            n = parent[n];
            leave(n);
          }
          if (n === root) break;
          n = next[n];
        }
        enter(n);
      }
    }
    return first;
  }

  const FIRST = { of: 1, line: 2, pack: 4, file: 8 };
  const first = firsts([
    [of, functions.name.length], [line, lines.file.length], [pack, packages.length],
    [file, files.length],
  ]);
  const lineAt = (at, number) => lineIds.get(at * 0x1_0000_0000 + number);
  return {
    size, parent, of, owner, line, file, pack, head, next, first, FIRST, lines, lineAt, firsts,
  };
})();

// What is made when it is first asked for.
function lazy(make) {
  let made;
  return () => (made ??= make());
}

// Calls: from a function, and from a line, to a function. For each stack, which call it ends with.
const calls = lazy(() => {
  const { size, parent, of, line, firsts } = tree;
  const many = report.functions.name.length;
  const edge = new Int32Array(size).fill(-1), site = new Int32Array(size).fill(-1);
  const edges = { caller: [], callee: [] }, sites = { line: [], callee: [] };
  const edgeIds = new Map(), siteIds = new Map();
  const idOf = (ids, key, make) => {
    let id = ids.get(key);
    if (id === undefined) ids.set(key, (id = make()));
    return id;
  };
  for (let n = 0; n < size; n++) {
    const up = parent[n], f = of[n];
    if (up < 0) continue;
    const g = of[up], l = line[up];
    edge[n] = idOf(edgeIds, g * many + f, () => edges.caller.push(g) && edges.callee.push(f) - 1);
    if (l >= 0) {
      site[n] = idOf(siteIds, l * many + f, () => sites.line.push(l) && sites.callee.push(f) - 1);
    }
  }
  const first = firsts([[edge, edges.caller.length], [site, sites.line.length]]);
  return {
    edge, site, edges, sites, first, FIRST: { edge: 1, site: 2 },
    callersOf: grouped(edges.callee), calleesOf: grouped(edges.caller),
    sitesOf: grouped(sites.callee), callsAt: grouped(sites.line),
  };
});

const buckets = report.samples.start.length - 1;
const columns = {
  stack: Int32Array.from(report.samples.stack),
  thread: Int32Array.from(report.samples.thread),
  count: Float64Array.from(report.samples.count),
};
const hasTimes = buckets > 1 && !report.compared;
// What a thread was doing, as its samples have it.
const STATES = ["waiting", "running", "ready"];
const stateOf = (who) => who & 3, threadOf = (who) => who >> 2;
const seenStates = STATES.filter((_, s) => columns.thread.some((who) => stateOf(who) === s));
const hasWaiting = seenStates.some((name) => name !== "running");
const compared = report.compared;

// A function that takes the rows of samples that a filter lets through.
function eachSample(filter, take) {
  const { start } = report.samples;
  const from = start[Math.max(0, filter.from ?? 0)] ?? 0;
  const to = start[Math.min(buckets, filter.to ?? buckets)] ?? start[buckets];
  const { stack, thread, count } = columns;
  const passes = report.threads.map((t, index) =>
    (filter.thread === undefined || filter.thread === index)
    && (filter.pid === undefined || filter.pid === t.pid));
  for (let row = from; row < to; row++) {
    const who = thread[row];
    if (filter.state !== undefined && filter.state !== STATES[stateOf(who)]) continue;
    if (passes[threadOf(who)]) take(row, stack[row], who, count[row]);
  }
}

// Own and total samples of everything under a filter.
function computed(filter) {
  const { size, parent, of, owner, line, file, pack, first, FIRST } = tree;
  const self = new Float64Array(size);
  const threads = report.threads.map(() => ({
    running: 0, waiting: 0, ready: 0, all: 0, first: -1, last: -1,
  }));
  let total = 0, running = 0, bucket = 0;
  const { start } = report.samples;
  eachSample(filter, (row, stack, who, samples) => {
    self[stack] += samples;
    total += samples;
    const thread = threads[threadOf(who)];
    thread[STATES[stateOf(who)]] += samples;
    thread.all += samples;
    if (stateOf(who) === 1) running += samples;
    while (start[bucket + 1] <= row) bucket++;
    if (thread.first < 0) thread.first = bucket;
    thread.last = bucket;
  });
  const all = Float64Array.from(self);
  for (let n = size - 1; n >= 0; n--) if (parent[n] >= 0) all[parent[n]] += all[n];

  const pair = (length) => ({ own: new Float64Array(length), total: new Float64Array(length) });
  const result = {
    filter, total, running, threads, self, all,
    functions: pair(report.functions.name.length),
    lines: pair(tree.lines.file.length),
    packages: pair(report.packages.length),
    files: pair(report.files.length),
    // Samples by call.
    calls: lazy(() => callSamples(all)),
  };
  const { functions, lines, packages, files } = result;
  for (let n = 0; n < size; n++) {
    const samples = all[n];
    if (samples === 0) continue;
    const own = self[n], bits = first[n];
    if (own > 0) {
      functions.own[of[owner[n]]] += own;
      if (line[n] >= 0) lines.own[line[n]] += own;
      if (pack[n] >= 0) packages.own[pack[n]] += own;
      if (file[n] >= 0) files.own[file[n]] += own;
      if (owner[n] !== n) functions.own[of[n]] += own;
    }
    if (bits & FIRST.of) functions.total[of[n]] += samples;
    if (bits & FIRST.line) lines.total[line[n]] += samples;
    if (bits & FIRST.pack) packages.total[pack[n]] += samples;
    if (bits & FIRST.file) files.total[file[n]] += samples;
  }
  return result;
}

// The whole recording.
const everything = computed({});

function callSamples(all) {
  const { edge, site, first, FIRST } = calls();
  const edges = new Float64Array(calls().edges.caller.length);
  const sites = new Float64Array(calls().sites.line.length);
  for (let n = 0; n < tree.size; n++) {
    if (first[n] & FIRST.edge) edges[edge[n]] += all[n];
    if (first[n] & FIRST.site) sites[site[n]] += all[n];
  }
  return { edges, sites };
}

// Lists by key, made when they are first asked for.
function grouped(keys) {
  let lists;
  return (key) => {
    if (!lists) {
      lists = new Map();
      keys.forEach((k, index) => {
        if (lists.has(k)) lists.get(k).push(index);
        else lists.set(k, [index]);
      });
    }
    return lists.get(key) ?? [];
  };
}

const linesOf = grouped(tree.lines.file);
const functionsIn = grouped(report.functions.file);

const isOp = (f) => OPS.has(report.functions.kind[f]);

// The names of files as people want them: from the working directory on, or from the folder that
// holds the modules. Which folders these are is known from packages in files of their names.
const fileNames = (() => {
  const { functions, packages, files, about } = report;
  const folders = new Set(about.folder ? [`${about.folder}/`] : []);
  functions.file.forEach((file, f) => {
    if (file < 0 || functions.package[f] < 0) return;
    const { name } = files[file];
    const end = `/${packages[functions.package[f]].replaceAll("::", "/")}.pm`;
    if (name.endsWith(end)) folders.add(name.slice(0, name.length - end.length + 1));
  });
  const order = [...folders].sort((a, b) => b.length - a.length);
  const shorter = (name) => {
    const folder = order.find((start) => name.startsWith(start));
    return folder ? name.slice(folder.length) : name;
  };
  // Names that have the place of an eval in them have a file in them.
  const short = files.map(({ name }) => {
    const [, start, inner] = /^(\([\w ]+\)\[)(.*)$/s.exec(name) ?? [];
    return start ? start + shorter(inner) : shorter(name);
  });
  const seen = new Map();
  for (const name of short) seen.set(name, (seen.get(name) ?? 0) + 1);
  return short.map((name, index) => (name && seen.get(name) === 1 ? name : files[index].name));
})();

const fileName = (index) => fileNames[index];

function placeName(index, line) {
  return line ? `${fileName(index)}:${line}` : fileName(index);
}

// Function name and, where there are several of the name, where it is.
const functionNames = (() => {
  const seen = new Map();
  for (const name of report.functions.name) seen.set(name, (seen.get(name) ?? 0) + 1);
  const shortOf = new Map(report.files.map(({ name }, index) => [name, fileNames[index]]));
  return report.functions.name.map((name, f) => {
    // Anonymous subs and string evals have the file in their names.
    const shown = visible(name.replace(/\[(.+):(\d+)\]/s, (whole, file, line) =>
      (shortOf.has(file) ? `[${shortOf.get(file)}:${line}]` : whole)));
    const place = report.functions.place[f];
    return seen.get(name) > 1 && place ? `${shown} (${visible(shortOf.get(place) ?? place)})` : shown;
  });
})();

// The text of a file in lines; read only when it is looked at.
const sourceOf = (() => {
  const known = new Map();
  return (index) => {
    if (!known.has(index)) {
      const element = byId(`source-${index}`);
      const text = element && JSON.parse(element.textContent);
      const lines = text?.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
      if (lines && lines.at(-1) === "") lines.pop();
      known.set(index, lines);
    }
    return known.get(index);
  };
})();
