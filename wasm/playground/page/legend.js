// Signs, and what they mean.

import { draw } from "./svg.js";

/** A flash of lightning, 8 wide and 14 high. */
export const BOLT = "M4 0L0 8H3L2 14L8 5H4.5L6 0Z";

/** Patterns, once for the whole page. */
export function patterns(svg) {
  const defs = draw(svg, "defs", {});
  const pattern = (id, wide, high, turn = "") =>
    draw(defs, "pattern", { id, width: wide, height: high, patternUnits: "userSpaceOnUse", patternTransform: turn });
  const stopped = pattern("stopped", 7, 7, "rotate(45)");
  draw(stopped, "rect", { class: "hatched", width: 7, height: 7 });
  draw(stopped, "path", { class: "hatch", d: "M0 0V7" });
  const cut = pattern("cut", 8, 6);
  draw(cut, "rect", { class: "hatched", width: 8, height: 6 });
  draw(cut, "path", { class: "hatch", d: "M0 3H5" });
  const alarm = pattern("alarm", 10, 10, "rotate(-45)");
  draw(alarm, "rect", { class: "alarmed", width: 10, height: 10 });
  draw(alarm, "path", { class: "alarm", d: "M0 0V10" });
}

/** What the signs mean. */
export function legend(caption) {
  const entry = (text, ...parts) => {
    const item = document.createElement("span");
    const icon = draw(item, "svg", { viewBox: "0 0 26 16", "aria-hidden": "true" });
    for (const [name, attributes] of parts) draw(icon, name, attributes);
    item.append(text);
    caption.append(item);
  };
  const box = { y: 2, width: 26, height: 12, rx: 2 };
  entry("answers that it leads", ["rect", { ...box, class: "lane0 reign" }]);
  entry("the storage's holder", ["rect", { ...box, class: "lane0 hold" }]);
  entry("stands still or lags", ["rect", { ...box, class: "fault", fill: "url(#stopped)" }]);
  entry("not reached", ["rect", { ...box, class: "fault", fill: "url(#cut)" }]);
  entry("not there", ["rect", { ...box, class: "fault gone" }]);
  entry("a clock steps", ["path", { class: "bolt", d: BOLT, transform: "translate(9 1)" }]);
  const [asked, answered] = ["lane0 call change", "lane0 call change reply"];
  entry("request, reply", ["path", { class: asked, d: "M4 0L10 14" }], ["path", { class: answered, d: "M10 14L18 0" }]);
  entry("lost", ["path", { class: "cross", d: "M9 4l8 8m0 -8l-8 8" }]);
  entry(
    "write: accepted, refused",
    ["circle", { class: "lane0 write", cx: 6, cy: 8, r: 5 }],
    ["circle", { class: "lane0 write refused", cx: 20, cy: 8, r: 5 }],
    ["path", { class: "cross", d: "M17 5l6 6m0 -6l-6 6" }],
  );
  entry("stale, and accepted", ["circle", { class: "write stale", cx: 13, cy: 8, r: 6 }]);
  entry("two lead at once", ["rect", { ...box, class: "clash", fill: "url(#alarm)" }]);
}
