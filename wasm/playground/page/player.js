// Time goes on, as fast as it is told to, or event by event where motion is not wanted.

const still = matchMedia("(prefers-reduced-motion: reduce)");
// Between two events where nothing moves.
const PAUSE = 700;

/**
 * `at` reads the moment, `go` sets it, `next` is the next moment at which something happens, `stop` the next at which it is to
 * stop, `changed` is told whether it runs.
 */
export function player({ at, go, next, stop, speed, end, changed }) {
  let running = false;
  let last = 0;

  function frame(now) {
    if (!running) return;
    const until = Math.min(stop(), end());
    // The time of a frame may be before the press that began it.
    const passed = Math.max(0, Math.min(now - last, 100));
    const step = still.matches ? next() - at() : passed * speed();
    last = now;
    const moment = Math.min(at() + step, until);
    go(moment);
    if (moment >= until) return pause();
    if (still.matches) setTimeout(frame, PAUSE);
    else requestAnimationFrame(frame);
  }

  function pause() {
    running = false;
    changed(false);
  }

  function run() {
    if (at() >= end()) go(0);
    running = true;
    last = performance.now();
    changed(true);
    if (still.matches) frame(last);
    else requestAnimationFrame(frame);
  }

  return { pause, toggle: () => (running ? pause() : run()), isRunning: () => running };
}
