// What is shown is what the address says: every view, filter and comparison can be linked.

const FILTERS = ["search", "group", "persona", "outcome", "tool", "claims", "least", "most"];

function readState() {
  const state = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  state.view ??= state.open || FILTERS.some((name) => state[name]) ? "trajectories" : "report";
  return state;
}

/** The address of the present state with some changes; empty values are left out. */
function address(changes) {
  const { section, ...state } = { ...readState(), ...changes };
  return "#" + new URLSearchParams(Object.entries(state).filter(([, value]) => value));
}

function found(traces, state) {
  const words = (state.search ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const least = Number.parseFloat(state.least);
  const most = Number.parseFloat(state.most);
  return traces.filter(
    (trace) =>
      (!state.group || trace.group === state.group) &&
      (!state.persona || trace.persona === state.persona) &&
      (!state.outcome || trace.outcome === state.outcome) &&
      (!state.tool || trace.calls.includes(state.tool)) &&
      (!state.claims || trace.grounding === state.claims) &&
      !(trace.reward < least) && // true also where there is no bound: then it is NaN
      !(trace.reward > most) &&
      words.every((word) => searchable(trace).includes(word)),
  );
}
