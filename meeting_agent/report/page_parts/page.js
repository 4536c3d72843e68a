// Puts the address on the screen, and keys and forms into the address.

let data = null;
let matches = [];
let page = 0;

const byId = (id) => document.getElementById(id);
const rows = () => [...document.querySelectorAll(".row")];

function goTo(changes) {
  location.hash = address(changes);
}

/** Changes the address without a step in the browser's history. */
function stayAt(changes) {
  history.replaceState(null, "", address(changes));
  show();
}

function show() {
  const state = readState();
  for (const link of document.querySelectorAll("[data-view]")) {
    link.setAttribute("aria-current", link.dataset.view === state.view ? "page" : "false");
  }
  byId("report").hidden = state.view !== "report";
  byId("trajectories").hidden = state.view === "report";
  if (state.view === "report") {
    if (state.section) byId(`section=${state.section}`)?.scrollIntoView();
    return;
  }
  if (!data) return;
  showFilters(state);
  matches = found(data.traces, state);
  page = showList(data, matches, state);
  const trace = data.traces.find((one) => one.id === state.open);
  byId("trajectories").classList.toggle("opened", Boolean(state.open));
  byId("trajectories").classList.toggle("comparing", Boolean(state.compare && trace?.twin));
  showConversation(data, trace, state);
}

function showAndFocus(event) {
  const before = new URLSearchParams(new URL(event.oldURL).hash.slice(1));
  const state = readState();
  show();
  if (state.open && state.open !== before.get("open")) focusConversation();
  else if (!state.open && before.get("open")) focusRow(before.get("open"));
  else if (state.compare !== (before.get("compare") ?? undefined)) {
    document.querySelector("[data-does=compare]")?.focus({ preventScroll: true });
  }
}

function focusConversation() {
  byId("conversation").scrollTop = 0;
  document.querySelector(".conversation h2")?.focus({ preventScroll: true });
  if (getComputedStyle(document.querySelector(".finder")).display === "none") window.scrollTo(0, 0);
}

function focusRow(id) {
  const link = rows().find((one) => new URLSearchParams(one.hash.slice(1)).get("open") === id) ?? rows()[0];
  link?.focus();
}

/** To the next or the previous trajectory: opens it if one is open, else moves the focus in the list. */
function move(step) {
  const { open } = readState();
  if (open) {
    const next = matches[matches.findIndex((trace) => trace.id === open) + step];
    if (!next) return;
    stayAt({ open: next.id });
    focusConversation();
    return;
  }
  const links = rows();
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? 0 : at + step;
  if (links[next]) links[next].focus();
  else if (step > 0 ? (page + 1) * ROWS < matches.length : page > 0) {
    stayAt({ page: String(page + 1 + step) });
    rows().at(step > 0 ? 0 : -1).focus();
  }
}

function compare() {
  const { open, compare } = readState();
  if (!data?.traces.find((trace) => trace.id === open)?.twin) return;
  goTo({ compare: compare ? "" : "1" });
}

function goBack() {
  const state = readState();
  if (state.compare) goTo({ compare: "" });
  else if (state.open) goTo({ open: "" });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || readState().view === "report") return;
  if (event.target.closest("input, select")) {
    const leaves = event.key === "Escape" || (event.key === "Enter" && event.target.matches("input"));
    if (!leaves || !rows().length) return;
    event.preventDefault();
    rows()[0].focus();
    return;
  }
  const arrows = event.target.closest(".row") || (event.target === document.body && !readState().open);
  const does = {
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: arrows && (() => move(1)),
    ArrowUp: arrows && (() => move(-1)),
    "/": () => document.forms.filters.search.focus(),
    c: compare,
    Escape: goBack,
  }[event.key];
  if (!does) return;
  event.preventDefault();
  does();
}

async function start() {
  const form = document.forms.filters;
  byId("more-filters").open = matchMedia("(min-width: 900px)").matches;
  addEventListener("hashchange", showAndFocus);
  document.addEventListener("keydown", onKey);
  form.addEventListener("input", (event) => stayAt({ [event.target.name]: event.target.value, page: "" }));
  form.addEventListener("reset", () => stayAt(Object.fromEntries([...FILTERS, "page"].map((name) => [name, ""]))));
  byId("conversation").addEventListener("click", (event) => {
    const does = event.target.closest("[data-does]")?.dataset.does;
    if (does === "close") goTo({ open: "", compare: "" });
    if (does === "compare") compare();
  });
  show();
  try {
    data = derive(await unpack());
    fillFilters(data);
  } catch (error) {
    byId("status").textContent = `The trajectories cannot be unpacked here (${error}): try a newer browser.`;
    return;
  }
  show();
  performance.mark("ready");
}

start();
