// The protocols beside each other: of each the whole run, and what came of it.

import { PROTOCOLS, verdict } from "./runs.js";
import { draw } from "./svg.js";

const WIDE = 1000;
const HIGH = 20;

/** Fills the fieldset. `choose` is told which protocol, `seek` which moment. */
export function overview(fieldset, choose, seek) {
  const rows = PROTOCOLS.map((protocol) => {
    const row = document.createElement("div");
    row.className = "row";
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "protocol", value: protocol });
    radio.onchange = () => choose(protocol);
    label.append(radio, " " + protocol);
    const strip = draw(row, "svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    const said = document.createElement("p");
    row.replaceChildren(label, strip, said);
    fieldset.append(row);
    strip.onpointerdown = ({ clientX }) => {
      const { left, width } = strip.getBoundingClientRect();
      choose(protocol);
      seek(((clientX - left) / width) * end);
    };
    return { protocol, radio, strip, said };
  });
  let end = 1;
  let heads = [];

  return {
    /** Shows these. */
    show(runs) {
      end = Math.max(...Object.values(runs).map((run) => run.end));
      const place = (at) => (at / end) * WIDE;
      heads = rows.map(({ protocol, strip, said }) => {
        const run = runs[protocol];
        strip.replaceChildren();
        for (const [lane, , from, until] of run.reigns) {
          const width = Math.max(1, place((until ?? run.end) - from));
          draw(strip, "rect", { class: `lane${lane % 7} reign`, x: place(from), y: 5, width, height: HIGH - 10, stroke: "none" });
        }
        for (const [from] of run.breaks) draw(strip, "path", { class: "mark", d: `M${place(from)} 0V${HIGH}` });
        const { well, text } = verdict(run);
        said.className = well ? "good" : "bad";
        said.textContent = `${well ? "✓" : "✕"} ${text}`;
        return draw(strip, "path", { class: "head", d: `M0 0V${HIGH}` });
      });
    },
    choose(protocol) {
      for (const row of rows) row.radio.checked = row.protocol === protocol;
    },
    at(moment) {
      for (const head of heads) head.setAttribute("transform", `translate(${(moment / end) * WIDE})`);
    },
  };
}
