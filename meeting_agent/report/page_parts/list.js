// The list of what was found, a hundred rows at a time, and the filters above it.

const ROWS = 100;
const MARKS = { right: "✓", wrong: "✗", none: "–" };

/** An element; strings among its children become text, never markup. */
function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function fillFilters(data) {
  const count = (values) => {
    const counts = new Map();
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    return counts;
  };
  const offer = (name, any, values, labels = {}) => {
    const options = [...values].map(([value, n]) =>
      element("option", { value }, `${labelled(labels, value)} (${n.toLocaleString("en")})`),
    );
    document.forms.filters[name].replaceChildren(element("option", { value: "" }, any), ...options);
  };
  const inOrder = (labels, counts) => Object.keys(labels).flatMap((k) => (counts.has(k) ? [[k, counts.get(k)]] : []));
  const { traces } = data;
  const mostFirst = (counts) => [...counts].sort((a, b) => b[1] - a[1]).slice(0, 40);
  offer("group", "any", inOrder(GROUPS, count(traces.map((t) => t.group))), GROUPS);
  offer("persona", "any", mostFirst(count(traces.map((t) => t.persona))));
  offer("outcome", "any", inOrder(OUTCOMES, count(traces.map((t) => t.outcome))), OUTCOMES);
  offer("tool", "any", mostFirst(count(traces.flatMap((t) => [...new Set(t.calls)]))), data.tool_labels);
  offer("claims", "any", inOrder(CLAIMS, count(traces.map((t) => t.grounding))), CLAIMS);
}

function showFilters(state) {
  const form = document.forms.filters;
  for (const name of FILTERS) {
    if (form[name] !== document.activeElement) form[name].value = state[name] ?? "";
  }
  const active = FILTERS.filter((name) => name !== "search" && state[name]).length;
  document.getElementById("active-filters").textContent = active ? `(${active} set)` : "";
  form.querySelector("[type=reset]").hidden = !active && !state.search;
}

function playedAs(trace) {
  return trace.group === "traces" ? `${GROUPS.traces}, rollout ${trace.sample + 1}` : GROUPS[trace.group];
}

function row(trace, data, state) {
  const tools = trace.calls.map((name) => labelled(data.tool_labels, name)).join(" → ");
  const link = element(
    "a",
    { class: "row", href: address({ open: trace.id }) },
    element("span", { class: `mark ${trace.outcome}`, title: OUTCOMES[trace.outcome] }, MARKS[trace.outcome]),
    element("span", { class: "sr" }, ` ${OUTCOMES[trace.outcome]}: `),
    element("span", { class: "people" }, trace.people),
    element("span", { class: "reward" }, element("span", { class: "sr" }, " reward "), trace.reward.toFixed(2)),
    element("span", { class: "how" }, `${trace.persona} · ${playedAs(trace)}`),
    element("span", { class: "tools" }, tools || "no tools"),
  );
  if (trace.id === state.open) link.setAttribute("aria-current", "true");
  return element("li", {}, link);
}

/** Shows the page of the list that the opened trajectory is on, or the one that the address asks for. */
function showList(data, matches, state) {
  const opened = matches.findIndex((trace) => trace.id === state.open);
  const pages = Math.max(1, Math.ceil(matches.length / ROWS));
  const asked = opened >= 0 ? Math.floor(opened / ROWS) : (Number.parseInt(state.page) || 1) - 1;
  const page = Math.min(Math.max(0, asked), pages - 1);
  const shown = matches.slice(page * ROWS, (page + 1) * ROWS);
  document.getElementById("rows").replaceChildren(...shown.map((trace) => row(trace, data, state)));
  const range = shown.length ? `${page * ROWS + 1} to ${page * ROWS + shown.length} of ` : "";
  const left = data.left_out ? `; ${data.left_out.toLocaleString("en")} more are not on this page` : "";
  document.getElementById("status").textContent =
    `${range}${matches.length.toLocaleString("en")} trajectories${left}`;
  const turn = (label, number) =>
    element("a", { href: address({ open: "", compare: "", page: String(number + 1) }) }, label);
  document
    .getElementById("pages")
    .replaceChildren(
      ...(page > 0 ? [turn("← Previous", page - 1)] : []),
      ...(page < pages - 1 ? [turn("Next →", page + 1)] : []),
    );
  document.querySelector(".row[aria-current]")?.scrollIntoView({ block: "nearest" });
  return page;
}
