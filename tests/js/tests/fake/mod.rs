//! JavaScript's clocks and timeouts, watched and moved.

use js_sys::{Array, eval};
use wasm_bindgen::prelude::*;

const SETUP: &str = "
    // A test that panicked dropped nothing.
    globalThis.fake?.restore();
    globalThis.fake = (() => {
        const { crypto, performance, setTimeout, clearTimeout } = globalThis;
        const getRandomValues = crypto.getRandomValues.bind(crypto);
        const now = performance.now.bind(performance), date = Date.now.bind(Date);
        const fake = {
            ahead: 0, dateAhead: 0, cut: Infinity, hurries: false, timeouts: [], pending: new Set(), draws: Infinity,
            restore() {
                delete performance.now;
                delete crypto.getRandomValues;
                Object.assign(globalThis, { setTimeout, clearTimeout });
                Object.defineProperty(globalThis, 'performance', { value: performance, configurable: true });
                Date.now = date;
                delete globalThis.fake;
            },
        };
        Object.defineProperty(performance, 'now', { value: () => now() + fake.ahead, configurable: true });
        Date.now = () => date() + fake.ahead + fake.dateAhead;
        globalThis.setTimeout = (callback, delay) => {
            fake.timeouts.push(delay);
            const id = setTimeout.call(globalThis, () => {
                fake.pending.delete(id);
                if (fake.hurries) fake.ahead += delay;
                callback();
            }, fake.hurries ? 0 : Math.min(delay, fake.cut));
            fake.pending.add(id);
            return id;
        };
        globalThis.clearTimeout = (id) => {
            fake.pending.delete(id);
            clearTimeout.call(globalThis, id);
        };
        const draw = (buffer) => {
            if (fake.draws-- <= 0) throw new Error('exhausted');
            return getRandomValues(buffer);
        };
        Object.defineProperty(crypto, 'getRandomValues', { value: draw, configurable: true });
        return fake;
    })();
";

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["globalThis", "performance"], js_name = now)]
    pub(crate) fn performance_now() -> f64;
}

/// In the place of the real ones for as long as it lives: one at a time.
pub(crate) struct Fake(());

impl Fake {
    pub(crate) fn new() -> Self {
        run(SETUP);
        Self(())
    }

    /// The delays of all timeouts that were set, in ms.
    pub(crate) fn timeouts(&self) -> Vec<f64> {
        Array::from(&run("fake.timeouts")).iter().filter_map(|delay| delay.as_f64()).collect()
    }

    /// How many timeouts are neither over nor cleared.
    pub(crate) fn pending(&self) -> usize {
        run("fake.pending.size").as_f64().unwrap() as usize
    }

    /// From now on each timeout ends at once, and both clocks go on by its delay.
    pub(crate) fn hurry(&self) {
        run("fake.hurries = true");
    }

    /// From now on no timeout lasts for more than so many ms.
    pub(crate) fn cut_timeouts_to(&self, ms: u32) {
        run(&format!("fake.cut = {ms}"));
    }

    /// The date steps by so many ms.
    pub(crate) fn step_date(&self, ms: f64) {
        run(&format!("fake.dateAhead += {ms}"));
    }

    /// From now on randomness can be asked for so many times.
    pub(crate) fn limit_draws(&self, draws: u32) {
        run(&format!("fake.draws = {draws}"));
    }

    pub(crate) fn hide_performance(&self) {
        run("Object.defineProperty(globalThis, 'performance', { value: undefined, configurable: true })");
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        run("fake.restore()");
    }
}

fn run(code: &str) -> JsValue {
    eval(code).unwrap()
}
