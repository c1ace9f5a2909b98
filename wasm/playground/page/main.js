// The page: what is chosen, what is shown, what is pressed.

import { read, write } from "./address.js";
import { events } from "./events.js";
import { overview } from "./overview.js";
import { player } from "./player.js";
import { ready, runsOf, seconds } from "./runs.js";
import { timeline } from "./timeline.js";

const find = (part) => document.querySelector(part);
const named = (name) => find(`[name=${name}]`);
const alert = find("[role=alert]");
const said = find("#now [role=status]");
const now = find("#now p");
const form = find("form");
// For so long it is told of what was over at once.
const AFTERGLOW = 1500;

// Nobody can ask who stands still.
const STILL = ["paused", "suspended", "frozen", "stalled"];

let state = read();
let runs;
let run;
let moment = 0;

const lanes = timeline(find("figure > svg"), find("figcaption"));
const list = events(find("ol"), (at) => halt(at));
const rows = overview(find("#protocols"), (protocol) => set({ protocol }), (at) => halt(at));
const breakAfter = (at) => run.breaks.find(([from]) => from > at)?.[0];
const play = player({
  at: () => moment,
  go,
  next: () => list.after(moment),
  stop: () => (named("stop").checked ? breakAfter(moment) : undefined) ?? Infinity,
  speed: () => Number(named("speed").value),
  end: () => run.end,
  changed(runs) {
    named("run").textContent = runs ? "Pause" : "Run";
    if (!runs) rest();
  },
});

/** Shows this moment. */
function go(to) {
  moment = Math.max(0, Math.min(to, run.end));
  named("at").value = moment;
  named("time").textContent = `${(moment / 1000).toFixed(1)} s`;
  lanes.at(moment);
  rows.at(moment);
  list.at(moment);
  tell();
}

/** And stops there. */
function halt(to) {
  go(to);
  if (play.isRunning()) play.pause();
  else rest();
}

/** Nothing moves: the address says where that is. */
function rest() {
  state.at = String(Math.round(moment) / 1000);
  write(state);
  lanes.describe(`Timeline at ${seconds(moment)}: ${leaders()} ${said.textContent}`);
}

function leaders() {
  const leading = run.reigns.filter(([, , from, until]) => from <= moment && moment < (until ?? Infinity));
  const word = state.protocol === "lessor" ? "term" : "reign";
  const stands = ([, name, from, until]) => STILL.includes(name) && from <= moment && moment < until;
  const stopped = (lane) => run.wrong.find((fault) => fault[0] === lane && stands(fault));
  const each = leading.map(([lane, term]) => {
    const fault = stopped(lane);
    return `${run.lanes[lane]} ${fault ? `is ${fault[1]} and believes to lead` : "leads"}, ${word} ${term}`;
  });
  return each.length ? `${each.join("; ")}.` : "Nobody leads.";
}

/** What is wrong with it now, or was at once a moment ago. */
function breakAt({ breaks }) {
  const lasts = ([from, until]) => from <= moment && moment <= Math.max(until ?? Infinity, from + AFTERGLOW);
  return breaks.findLast(lasts);
}

/** What is wrong now, or else how things stand. */
function tell() {
  const one = breakAt(run);
  const head = one?.[2] ?? "";
  const key = one ? `${state.protocol} ${one[0]}` : "";
  if (said.dataset.told !== key) {
    said.dataset.told = key;
    said.replaceChildren();
    if (one) {
      const strong = document.createElement("strong");
      strong.textContent = head;
      said.append(strong, " ", one[3]);
    }
  }
  const before = run.breaks.filter(([from]) => from <= moment).length;
  const count = before ? `${before} break${before > 1 ? "s" : ""} so far.` : "No break so far.";
  const others = Object.values(runs).filter((other) => other !== run && breakAt(other)).map(({ protocol }) => protocol);
  const beside = others.length ? ` At this moment ${others.join(" and ")} ${others.length > 1 ? "break" : "breaks"}.` : "";
  const text = `${state.protocol} at ${(moment / 1000).toFixed(1)} s: ${leaders()} ${count}${beside}`;
  if (now.textContent !== text) now.textContent = text;
}

/** Another choice. What is wrong with it is said, and the page stays as it was. */
function set(change) {
  const wanted = { ...state, ...change };
  try {
    const same = runs && ["seed", "candidates", "without"].every((name) => wanted[name] === state[name]);
    runs = same ? runs : runsOf(wanted);
    const known = Object.keys(runs).join(", ");
    if (!runs[wanted.protocol]) throw new Error(`protocol is '${wanted.protocol}', allowed are ${known}`);
    if (!(Number(wanted.at) >= 0)) throw new Error(`at is '${wanted.at}', allowed are seconds from 0 on`);
  } catch (error) {
    alert.textContent = `This cannot be shown: ${error.message}.`;
    named("seed").value = state.seed;
    return;
  }
  alert.textContent = "";
  const kept = run ? moment : 0;
  state = wanted;
  run = runs[state.protocol];
  named("seed").value = state.seed;
  named("candidates").value = state.candidates;
  named("candidates").options[0].textContent = `as the seed draws${state.candidates ? "" : `: ${run.candidates}`}`;
  named("at").max = Math.ceil(run.end);
  choices();
  rows.show(runs);
  rows.choose(state.protocol);
  lanes.show(run);
  list.show(run);
  named("next").disabled = !run.breaks.length;
  // Nothing moves away below it where one comes.
  find("#now").classList.toggle("may-break", run.breaks.length > 0);
  go("at" in change ? Number(state.at) * 1000 : kept);
  if (!play.isRunning()) rest();
}

/** What may happen, and what is left out. */
function choices() {
  const fieldset = form.querySelector("fieldset");
  const on = run.faults.filter(([, is]) => is).length;
  find("summary").textContent = `${on} of ${run.faults.length} things may happen`;
  const boxes = run.faults.map(([name, is]) => {
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: is });
    box.onchange = () => {
      const others = state.without.split(",").filter((other) => other && other !== name);
      set({ without: [...others, ...(box.checked ? [] : [name])].join(",") });
      form.querySelector(`[value="${name}"]`).focus();
    };
    label.append(box, " " + name);
    return label;
  });
  fieldset.replaceChildren(fieldset.firstElementChild, ...boxes);
}

for (let count = 2; count <= 7; count++) named("candidates").add(new Option(count));
form.onsubmit = (event) => {
  event.preventDefault();
  set({ seed: named("seed").value.trim(), at: "0" });
};
named("seed").onchange = () => form.requestSubmit();
named("another").onclick = () => set({ seed: String(crypto.getRandomValues(new Uint32Array(1))[0] % 10_000), at: "0" });
named("candidates").onchange = () => set({ candidates: named("candidates").value });
named("share").onclick = async () => {
  rest();
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  find("form output").textContent = copied ? "copied" : "It is in the address bar.";
};
named("run").onclick = play.toggle;
named("step").onclick = () => halt(Math.min(list.after(moment), run.end));
named("back").onclick = () => halt(list.before(moment));
named("next").onclick = () => halt(breakAfter(moment) ?? run.breaks[0][0]);
named("at").oninput = () => halt(Number(named("at").value));
named("messages").onchange = () => {
  list.all(named("messages").checked);
  list.at(moment);
};
addEventListener("keydown", (event) => {
  if (event.target !== document.body || event.ctrlKey || event.altKey || event.metaKey) return;
  const name = { " ": "run", ArrowLeft: "back", ArrowRight: event.shiftKey ? "next" : "step" }[event.key];
  if (!name || named(name).disabled) return;
  event.preventDefault();
  named(name).click();
});
addEventListener("hashchange", () => {
  if (play.isRunning()) play.pause();
  set(read());
});

await ready;
const first = read();
set(first);
// An address that cannot be shown leaves a page that works.
if (!run) {
  const why = alert.textContent;
  state = { protocol: "lessor", seed: "0", candidates: "", without: "", at: "0" };
  set({ ...state });
  alert.textContent = why;
}
document.body.dataset.ready = "";
