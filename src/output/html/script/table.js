// Tables that sort, filter, and draw their rows as the reader gets to them.

const ROWS_AT_ONCE = 150;

// A column: { name, title, value(row) to sort by, cell(row), number: true for numbers }.
function table({ label, columns, rows, sort, descending = true, limit = Infinity, empty }) {
  const order = { column: sort, descending };
  let shown = rows, drawn = 0;
  const body = el("tbody"), sentinel = el("div", { class: "more" });
  const heads = columns.map((column, index) => el("th", {
    scope: "col", class: column.number ? "number" : column.class,
  }, column.value ? el("button", {
    type: "button", title: column.title, onclick: () => sortBy(index),
  }, column.name) : column.name));

  const sorted = () => {
    const { value } = columns[order.column];
    const sign = order.descending ? -1 : 1;
    const keys = new Map(shown.map((row) => [row, value(row)]));
    const compare = (a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)];
      return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
    };
    shown = [...shown].sort(compare);
  };
  const more = () => {
    const end = Math.min(shown.length, limit, drawn + ROWS_AT_ONCE);
    for (; drawn < end; drawn++) {
      const row = shown[drawn];
      body.append(el("tr", {}, columns.map((column) => el("td", {
        class: column.number ? "number" : column.class,
      }, column.cell(row)))));
    }
    sentinel.hidden = drawn >= Math.min(shown.length, limit);
    sentinel.textContent = sentinel.hidden ? "" : `${count(shown.length - drawn)} more …`;
  };
  const draw = () => {
    heads.forEach((head, index) => {
      const is = index === order.column;
      head.setAttribute("aria-sort", !is ? "none" : order.descending ? "descending" : "ascending");
    });
    body.replaceChildren();
    drawn = 0;
    if (shown.length === 0) {
      body.append(el("tr", {}, el("td", { colspan: columns.length, class: "empty" },
        empty ?? "Nothing here.")));
    }
    more();
  };
  const sortBy = (index) => {
    const same = order.column === index;
    order.descending = same ? !order.descending : Boolean(columns[index].number);
    order.column = index;
    sorted();
    draw();
  };
  new IntersectionObserver((seen) => seen.some((s) => s.isIntersecting) && more(), {
    rootMargin: "600px",
  }).observe(sentinel);
  sentinel.addEventListener("click", more);

  sorted();
  draw();
  const node = el("div", { class: "table" },
    el("table", { "aria-label": label }, el("thead", {}, el("tr", {}, heads)), body), sentinel);
  return {
    node,
    filter(passes) {
      shown = rows.filter(passes);
      sorted();
      draw();
      return shown.length;
    },
  };
}

// The columns that nearly all tables have.
function ownColumn(own, all, most) {
  return {
    name: "Own", number: true, title: "Samples in which it was itself executing",
    value: own, cell: (row) => share(own(row), all, most),
  };
}

function totalColumn(total, all) {
  return {
    name: "Total", number: true, title: "Samples in which it was on the stack",
    value: total, cell: (row) => share(total(row), all),
  };
}

function countColumn(name, value) {
  return { name, number: true, title: "In samples", value, cell: (row) => count(value(row)) };
}

// Does a text have all words of a search in it?
function matcher(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return (name) => {
    const lower = name.toLowerCase();
    return words.every((word) => lower.includes(word));
  };
}
