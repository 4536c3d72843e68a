// One trajectory turn by turn, or a scenario before and after DPO side by side.

function showConversation(data, trace, state) {
  const place = document.getElementById("conversation");
  if (!trace) {
    const says = state.open ? `No trajectory is called “${state.open}”.` : "Open a trajectory to read its conversation.";
    place.replaceChildren(element("p", { class: "nothing" }, says));
    return;
  }
  const comparing = Boolean(state.compare && trace.twin);
  const sides = !comparing ? [trace] : trace.group === "sft" ? [trace, trace.twin] : [trace.twin, trace];
  const prompts = [
    turn("prompt", "System", element("p", {}, trace.system)),
    turn("prompt", "Question", element("p", {}, trace.question)),
  ];
  const conversation = element(
    "article",
    {},
    buttons(trace, comparing),
    element("h2", { tabindex: "-1" }, trace.people),
    element("p", { class: "about" }, `persona ${trace.persona} · ${comparing ? trace.scenario : `${playedAs(trace)} · ${trace.id}`}`),
    otherRollouts(data, trace),
    comparing ? null : facts(trace),
    element("ol", { class: "turns" }, ...prompts),
    element("div", { class: comparing ? "sides two" : "sides" }, ...sides.map((side) => column(data, side, comparing))),
  );
  place.replaceChildren(conversation);
}

function buttons(trace, comparing) {
  const back = element("button", { type: "button", "data-does": "close" }, "← Back to the list");
  if (!trace.twin) return element("div", { class: "buttons" }, back);
  const label = comparing ? `Only ${GROUPS[trace.group]}` : `Compare with ${GROUPS[TWIN[trace.group]]}`;
  const compare = element("button", { type: "button", class: "main", "data-does": "compare" }, label);
  return element("div", { class: "buttons" }, back, compare);
}

/** Links to all rollouts of the same scenario in the same group: phase 2 has several. */
function otherRollouts(data, trace) {
  const rollouts = data.traces.filter((other) => other.group === trace.group && other.scenario === trace.scenario);
  if (rollouts.length < 2) return null;
  const links = rollouts.map((other) => {
    const says = `${other.sample + 1}: ${OUTCOMES[other.outcome]}, ${other.reward.toFixed(2)}`;
    const here = other === trace ? { "aria-current": "true" } : {};
    return element("a", { href: address({ open: other.id }), ...here }, says);
  });
  return element("nav", { class: "rollouts", "aria-label": "Rollouts of the same scenario" }, "Rollouts ", ...links);
}

function column(data, trace, comparing) {
  const section = element("section", { class: "side", "aria-label": playedAs(trace) });
  if (comparing) section.append(element("h3", { class: "which" }, GROUPS[trace.group]), facts(trace));
  const turns = trace.turns.map((one, number) => answered(data, section, trace, one, number));
  section.append(element("ol", { class: "turns" }, ...turns));
  return section;
}

function facts(trace) {
  const said = trace.said ?? "nothing readable";
  const probability = typeof trace.probability === "number" ? ` (${trace.probability.toFixed(2)})` : "";
  const truth = typeof trace.success === "number" ? ` (${trace.success.toFixed(2)})` : "";
  const rows = [
    ["outcome", element("strong", { class: trace.outcome }, `${MARKS[trace.outcome]} ${OUTCOMES[trace.outcome]}`)],
    ["said", said + probability],
    ["likelier outcome", trace.truth + truth],
    ["happened", trace.happened],
    ["reward", trace.reward.toFixed(2)],
    ["calls", String(trace.calls.length)],
    ["claims grounded", `${trace.grounded} of ${trace.claims}`],
    ...(typeof trace.tokens === "number" ? [["tokens", String(trace.tokens)]] : []),
    ...(trace.completed ? [] : [["ended", trace.failure ? `server failed: ${trace.failure}` : "cut off"]]),
  ];
  const entries = rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
  return element("dl", { class: "facts" }, ...entries);
}

function turn(kind, title, ...content) {
  return element("li", { class: `turn ${kind}` }, element("h3", {}, title), ...content);
}

/** A turn of the agent or of a tool; `number` is what claims call it by. */
function answered(data, section, trace, one, number) {
  if ("tool" in one) {
    const node = turn("tool", `Tool: ${labelled(data.tool_labels, one.tool)}`, toolResult(one.says));
    node.dataset.turn = number;
    return node;
  }
  const closing = number === trace.turns.length - 1;
  const text = one.pieces ? element("p", {}, ...one.pieces.map((piece) => claim(section, trace, piece))) : null;
  const calls = (one.calls ?? []).map(([name, given]) =>
    element("li", {}, element("code", { class: "call" }, element("b", {}, name), `(${shortArguments(given)})`)),
  );
  return turn(
    closing ? "agent closing" : "agent",
    closing ? "Agent’s answer" : "Agent",
    text ?? element("p", {}, one.says),
    calls.length ? element("ul", { class: "calls" }, ...calls) : null,
  );
}

function parsed(text) {
  try {
    // Numbers as they were written: 0.60 stays 0.60 where the browser can tell.
    const value = JSON.parse(text, (_, v, context) => (typeof v === "number" ? (context?.source ?? String(v)) : v));
    return value && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function inWords(value) {
  if (Array.isArray(value)) return value.length ? value.map(inWords).join(", ") : "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function shortArguments(given) {
  const values = parsed(given);
  return values ? Object.entries(values).map(([name, value]) => `${name}: ${inWords(value)}`).join(", ") : given;
}

function toolResult(text) {
  const values = parsed(text);
  if (!values) return element("p", { class: "raw" }, text);
  const rows = Object.entries(values).map(([name, value]) => {
    const entry = element("div", { tabindex: "-1" }, element("dt", {}, name), element("dd", {}, inWords(value)));
    entry.dataset.field = name;
    return entry;
  });
  return element("dl", { class: "result", tabindex: "-1" }, ...rows);
}

/** A piece of the closing answer: text, or a claim with the number of the turn that holds it. */
function claim(section, trace, piece) {
  if (typeof piece === "string") return piece;
  const [text, holder] = piece;
  if (holder === null) {
    return element("mark", { class: "ungrounded" }, text, element("span", { class: "label" }, "ungrounded"));
  }
  const field = text.slice(0, text.lastIndexOf(" "));
  const turn = `[data-turn="${Number(holder)}"]`;
  // A comparison of two ratings has no row of its own: the whole result says so.
  const place = () =>
    [...section.querySelectorAll(`${turn} [data-field]`)].find((e) => e.dataset.field === field) ??
    section.querySelector(`${turn} .result`);
  const button = element("button", { type: "button", class: "grounded", title: "Grounded: shows the result that says so" }, text);
  button.addEventListener("click", () => {
    for (const held of document.querySelectorAll(".held")) held.classList.remove("held");
    place()?.classList.add("held");
    place()?.scrollIntoView({ block: "center" });
    place()?.focus({ preventScroll: true });
  });
  for (const [event, on] of Object.entries({ mouseenter: true, focus: true, mouseleave: false, blur: false })) {
    button.addEventListener(event, () => place()?.classList.toggle("pointed", on));
  }
  return button;
}
