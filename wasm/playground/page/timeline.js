// The lanes, as far as time has come: what is drawn is cut off at the present moment, so that it grows by itself.

import { BOLT, legend, patterns } from "./legend.js";
import { seconds } from "./runs.js";
import { draw, tip } from "./svg.js";

const LANE = 46;
const STORAGE = 64;
const RESOURCE = 40;
const TOP = 26;
const AXIS = 24;
const BAR = 18;
// Where the present moment is, of the width.
const HEAD = 0.8;
// So much is drawn ahead and behind, of what is seen: it is not to be drawn anew all the time.
const SPARE = 1;

// Who is not there. Whoever else is not well stands still, lags, or is not reached.
const GONE = ["crashed", "dead"];

/** Draws into this; what its signs mean goes into the caption. */
export function timeline(svg, caption) {
  let run;
  let moment = 0;
  let [width, span, height] = [1000, 30_000, 100];
  // What is drawn, from when until when; and what follows the left edge.
  let drawn = [0, -1];
  let [world, sticky, names, head, flag, flagText, flagBack] = [];

  const count = () => run.lanes.length;
  const laneTop = (lane) => TOP + lane * LANE;
  const storageTop = () => TOP + count() * LANE;
  const resourceTop = () => storageTop() + STORAGE;
  const bottom = () => resourceTop() + RESOURCE;
  const scale = () => width / span;
  const x = (at) => (at - drawn[0]) * scale();

  /** All that does not move. */
  function frame() {
    height = bottom() + AXIS;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    patterns(svg);
    for (let lane = 0; lane <= count() + 1; lane++) {
      const [y, high] = [[laneTop(lane), LANE], [storageTop(), STORAGE], [resourceTop(), RESOURCE]][Math.max(0, lane - count() + 1)];
      draw(svg, "rect", { class: `ground ${lane % 2 ? "odd" : ""}`, x: 0, y, width, height: high });
      draw(svg, "path", { class: "rule", d: `M0 ${y}H${width}` });
      if (lane < count()) draw(svg, "path", { class: "middle", d: `M0 ${y + 23}H${width}` });
    }
    draw(svg, "path", { class: "rule", d: `M0 ${bottom()}H${width}` });
    const id = draw(draw(svg, "defs", {}), "clipPath", { id: "past" });
    draw(id, "rect", { x: 0, y: 0, width: width * HEAD, height });
    world = draw(draw(svg, "g", { "clip-path": "url(#past)" }), "g", {});
    head = draw(svg, "path", { class: "head", d: `M0 ${TOP - 6}V${bottom() + 4}` });
    // What is wrong at the moment is said beside the name.
    names = [...run.lanes, "storage"].map((name, lane) => {
      const y = lane < count() ? laneTop(lane) + 12 : storageTop() + 59;
      const back = draw(svg, "rect", { class: `ground ${lane % 2 ? "odd" : ""}`, x: 2, y: y - 10, height: 12, "fill-opacity": 0.95 });
      const text = draw(svg, "text", { class: "name", x: 6, y }, "");
      return { name, of: lane < count() ? lane : null, text, back, shown: "" };
    });
    draw(svg, "text", { class: "name", x: 6, y: resourceTop() + 36 }, "resource: writes of leaders");
    flag = draw(svg, "g", {});
    flagBack = draw(flag, "rect", { class: "flag-back", y: 2, height: 20, rx: 3 });
    flagText = draw(flag, "text", { class: "flag", y: 16, "text-anchor": "middle" }, "");
    drawn = [0, -1];
  }

  /** A bar with words that stay in sight. */
  function bar(kind, lane, from, until, y, words, about) {
    const wide = Math.max(2, (until - from) * scale());
    tip(draw(world, "rect", { class: `lane${lane % 7} ${kind}`, x: x(from), y, width: wide, height: BAR, rx: 2 }), about);
    const text = draw(world, "text", { class: `lane${lane % 7} ${kind === "reign" ? "in" : ""}`, y: y + 13 }, "");
    sticky.push({ text, from, until, words });
  }

  function faults(seen) {
    for (const [lane, name, from, until] of run.wrong) {
      if (!seen(from, until)) continue;
      const [y, high] = lane === null ? [storageTop(), STORAGE] : [laneTop(lane), LANE];
      const who = lane === null ? "storage" : run.lanes[lane];
      const about = `${who}: ${name} at ${seconds(from)}${until > from ? `, for ${seconds(until - from)}` : ""}`;
      if (until > from) {
        const fill = name.startsWith("cut") || lane === null ? "url(#cut)" : "url(#stopped)";
        const kind = GONE.includes(name) ? { class: "fault gone" } : { class: "fault", fill };
        const wide = Math.max(2, (until - from) * scale());
        tip(draw(world, "rect", { ...kind, x: x(from), y: y + 1, width: wide, height: high - 2 }), about);
      } else {
        const bolt = { class: "bolt", d: BOLT, transform: `translate(${x(from) - 4} ${y + (lane === null ? 44 : 1)})` };
        tip(draw(world, "path", bolt), about);
      }
    }
  }

  /** At its beginning, what it is that is wrong, where there is room. */
  function faultNames(seen) {
    const last = new Map();
    for (const [lane, name, from, until] of run.wrong) {
      if (!seen(from, until)) continue;
      const left = x(from) + (until > from ? 4 : 8);
      if (left < (last.get(lane) ?? -Infinity)) continue;
      last.set(lane, left + name.length * 6 + 8);
      draw(world, "text", { class: "small halo", x: left, y: lane === null ? storageTop() + 48 : laneTop(lane) + 11 }, name);
    }
  }

  function calls(seen) {
    const wire = (lane) => laneTop(lane) + LANE - 9;
    const shelf = storageTop() + 10;
    for (const [lane, weight, sent, replied, answered, lost, applied] of run.calls) {
      const over = Math.max(sent, replied ?? sent, ...applied.map(([at]) => at));
      if (!seen(sent, over)) continue;
      const kind = `lane${lane % 7} call ${["poll", "", "change"][weight]}`;
      const y = wire(lane);
      for (const [at, gone] of applied) {
        draw(world, "path", { class: kind, d: `M${x(sent)} ${y}L${x(at)} ${shelf}` });
        if (weight) draw(world, "circle", { class: `lane${lane % 7} dot`, cx: x(at), cy: shelf, r: 2 + weight / 2 });
        if (gone) cross(x(at), shelf - 12, "the reply is lost");
      }
      const back = applied.find(([at, gone]) => !gone && at <= replied)?.[0];
      if (replied !== null && answered) draw(world, "path", { class: kind + " reply", d: `M${x(back)} ${shelf}L${x(replied)} ${y}` });
      if (lost) {
        draw(world, "path", { class: kind, d: `M${x(sent)} ${y}v8` });
        cross(x(sent), y + 9, "the request is lost");
      }
    }
  }

  function cross(at, y, about) {
    tip(draw(world, "path", { class: "cross", d: `M${at - 3} ${y - 3}l6 6m0 -6l-6 6` }), about);
  }

  function writes(seen) {
    const y = resourceTop() + 14;
    for (const [lane, term, at, accepted, stale] of run.writes) {
      if (!seen(at, at)) continue;
      const how = !accepted ? "refused" : stale ? "stale" : "";
      const words = `a ${stale ? "stale " : ""}write of ${run.lanes[lane]} in ${word()} ${term}, ${accepted ? "accepted" : "refused"}`;
      tip(draw(world, "circle", { class: `lane${lane % 7} write ${how}`, cx: x(at), cy: y, r: how ? 7 : 5 }), words);
      if (how) cross(x(at), y, words);
    }
  }

  const word = () => (run.protocol === "lessor" ? "term" : "reign");

  /** All that is seen soon, and was just now. */
  function fill(from, until) {
    drawn = [from, until];
    sticky = [];
    world.replaceChildren();
    const seen = (start, end) => start <= until && end >= from;
    const step = [1, 2, 5, 10, 30].find((step) => (step * 1000 * width) / span > 70) * 1000;
    for (let at = Math.max(0, Math.ceil(from / step) * step); at <= until; at += step) {
      draw(world, "path", { class: "rule", d: `M${x(at)} ${TOP}V${bottom() + 4}` });
      draw(world, "text", { class: "small", x: x(at), y: bottom() + 17, "text-anchor": "middle" }, `${at / 1000} s`);
    }
    faults(seen);
    for (const [, start, end] of run.clashes) {
      const last = end ?? run.end;
      const wide = Math.max(3, (last - start) * scale());
      if (!seen(start, last)) continue;
      const band = { class: "clash", fill: "url(#alarm)", x: x(start), y: TOP, width: wide, height: bottom() - TOP };
      draw(world, "rect", band);
    }
    calls(seen);
    for (const [lane, term, start, over, lease, robbed] of run.holds) {
      if (!seen(start, Math.max(over, lease))) continue;
      const about = `the storage: ${run.lanes[lane]} holds the key until ${seconds(lease)}`;
      bar("hold", lane, start, over, storageTop() + 20, [term ? `${run.lanes[lane]}, term ${term}` : run.lanes[lane]], about);
      // The end that it was to have.
      if (robbed) draw(world, "path", { class: `lane${lane % 7} call reply`, d: `M${x(over)} ${storageTop() + 40}H${x(lease)}v-4v8` });
    }
    for (const [lane, term, start, end] of run.reigns) {
      const last = end ?? run.end;
      const about = `${run.lanes[lane]} answers that it leads, in ${word()} ${term}`;
      if (seen(start, last)) bar("reign", lane, start, last, laneTop(lane) + 14, [`leads, ${word()} ${term}`, `${term}`], about);
    }
    for (const [lanes, start, end] of run.clashes) {
      const last = end ?? run.end;
      for (const lane of seen(start, last) ? lanes : []) {
        const own = run.reigns.filter(([of, , from, until]) => of === lane && from <= last && (until ?? run.end) >= start);
        for (const [, , from, until] of own) {
          const [left, right] = [Math.max(from, start), Math.min(until ?? run.end, last)];
          const wide = Math.max(2, (right - left) * scale());
          draw(world, "rect", { class: "guilty", x: x(left), y: laneTop(lane) + 12, width: wide, height: BAR + 4 });
        }
      }
    }
    faultNames(seen);
    writes(seen);
    // How wide each of them is, is asked once.
    for (const one of sticky) one.wide = one.words.map((text) => text.length * 7.2);
  }

  function paint() {
    if (!run) return;
    const here = width * HEAD;
    const left = moment - here / scale();
    const right = left + span;
    if (left < drawn[0] || right > drawn[1] || drawn[1] < drawn[0]) fill(left - SPARE * span, right + SPARE * span);
    const shift = (drawn[0] - left) * scale();
    world.setAttribute("transform", `translate(${shift} 0)`);
    head.setAttribute("transform", `translate(${here} 0)`);
    for (const one of names) {
      const now = run.wrong.filter(([of, , from, until]) => of === one.of && from <= moment && moment < until);
      const title = one.of === null ? "storage: who holds the key" : one.name;
      const words = [title, ...new Set(now.map(([, name]) => name))].join(" · ");
      if (one.shown === words) continue;
      one.shown = one.text.textContent = words;
      one.back.setAttribute("width", words.length * 7.6 + 12);
    }
    for (const { text, from, until, words, wide } of sticky) {
      const begin = Math.max(x(from) + 5, 6 - shift);
      const end = Math.min(x(until), here - shift) - 4;
      const fits = words.find((_, number) => begin + wide[number] <= end) ?? "";
      text.setAttribute("x", begin);
      if (text.textContent !== fits) text.textContent = fits;
    }
    const clash = run.clashes.find(([, from, until]) => from <= moment && moment <= (until ?? run.end));
    flag.setAttribute("visibility", clash ? "visible" : "hidden");
    if (clash) {
      const [lanes] = clash;
      const leads = ([lane, , from, until]) => lanes.includes(lane) && from <= moment && moment < (until ?? Infinity);
      const count = run.reigns.filter(leads).length;
      const words = `${count > 2 ? count : "two"} lead at once`;
      flagText.textContent = words;
      const wide = words.length * 7 + 16;
      const middle = Math.min(here, width - wide / 2 - 4);
      flagText.setAttribute("x", middle);
      flagBack.setAttribute("x", middle - wide / 2);
      flagBack.setAttribute("width", wide);
    }
  }

  function measure() {
    const wide = Math.max(280, Math.round(svg.getBoundingClientRect().width));
    if (wide === width && names) return;
    width = wide;
    span = width < 600 ? 15_000 : 30_000;
    if (!run) return;
    frame();
    paint();
  }

  legend(caption);
  // What changes its height in answer is told in the next frame.
  new ResizeObserver(() => requestAnimationFrame(measure)).observe(svg.parentElement);

  return {
    show(one) {
      run = one;
      names = undefined;
      measure();
    },
    at(to) {
      moment = to;
      paint();
    },
    describe(text) {
      svg.setAttribute("aria-label", text);
    },
  };
}
