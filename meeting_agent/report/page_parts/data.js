// The trajectories: unpacked, and what the page derives from each of them.

const GROUPS = { traces: "phase 2", sft: "before DPO", dpo: "after DPO" };
const TWIN = { sft: "dpo", dpo: "sft" };
const OUTCOMES = { right: "right", wrong: "wrong", none: "no readable answer" };
const CLAIMS = { grounded: "all grounded", ungrounded: "ungrounded", none: "none made" };

/** The JSON that page_data.py packed: gzip, then base64. */
async function unpack() {
  const text = atob(document.getElementById("packed").textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

/** Adds to every trajectory what rows, filters and conversations show. */
function derive(data) {
  const byScenario = new Map();
  const people = data.texts.map(peopleIn);
  for (const trace of data.traces) {
    const closing = trace.turns.at(-1).pieces ?? [];
    const claims = closing.filter((piece) => typeof piece !== "string");
    const readable = trace.said === "YES" || trace.said === "NO";
    trace.people = people[trace.question] ?? trace.scenario;
    trace.question = data.texts[trace.question];
    trace.system = data.texts[trace.system];
    trace.calls = trace.turns.flatMap((turn) => (turn.calls ?? []).map(([name]) => name));
    trace.claims = claims.length;
    trace.grounded = claims.filter(([, holder]) => holder !== null).length;
    trace.grounding = !trace.claims ? "none" : trace.grounded === trace.claims ? "grounded" : "ungrounded";
    trace.outcome = !readable ? "none" : trace.said === trace.truth ? "right" : "wrong";
    byScenario.set(`${trace.group} ${trace.scenario}`, trace);
  }
  for (const trace of data.traces) {
    trace.twin = TWIN[trace.group] && byScenario.get(`${TWIN[trace.group]} ${trace.scenario}`);
  }
  return data;
}

function peopleIn(question) {
  const names = [...question.matchAll(/^Person [AB]: ([^.\n]{1,60})\./gm)].map((found) => found[1]);
  return names.length === 2 ? names.join(" and ") : null;
}

/** A label for a name out of the data, which may be any text, or the name itself. */
function labelled(labels, name) {
  return Object.hasOwn(labels, name) ? labels[name] : name;
}

/** Everything in a trajectory that a search may find, in lower case; made when first asked for. */
function searchable(trace) {
  trace.text ??= [
    trace.id,
    trace.persona,
    trace.question,
    ...trace.turns.flatMap((turn) => [
      turn.says ?? turn.pieces.map((piece) => (typeof piece === "string" ? piece : piece[0])).join(""),
      ...(turn.calls ?? []).flat(),
    ]),
  ]
    .join("\n")
    .toLowerCase();
  return trace.text;
}
