// A module of Rust that starts anew after a panic.

/** What a module does not go on after: it stopped somewhere within. */
const stopped = (error) =>
  error instanceof WebAssembly.RuntimeError || error instanceof RangeError || error?.message === "Module terminated";

/**
 * Classes of a module. When it has started anew their objects are made anew, of what they were made of, before they are used again: what they
 * know has to be in the storage. What waits inside of it then waits for ever: see `guard` of `objects.js`.
 *
 * @param {object} module as `wasm/module` makes it
 * @param {string[]} names of the classes
 */
export function restarting(module, names) {
  let life = 0;

  const restart = () => {
    module.__wbg_reset_state();
    life++;
  };

  const act = (call) => {
    try {
      return call();
    } catch (error) {
      if (stopped(error)) restart();
      throw error;
    }
  };

  // Where something waited inside of it, it stops when that goes on, and nobody called.
  addEventListener("error", ({ error }) => error instanceof WebAssembly.RuntimeError && restart());

  const living = (Class) =>
    class {
      #of;
      #made;
      #life;

      constructor(...of) {
        this.#of = of;
        this.#make();
      }

      #make() {
        this.#made = act(() => new Class(...this.#of));
        this.#life = life;
      }

      static {
        for (const name of Object.getOwnPropertyNames(Class.prototype)) {
          if (name === "constructor" || name === "free" || name.startsWith("__")) continue;
          this.prototype[name] = function (...args) {
            if (this.#life !== life) this.#make();
            return act(() => this.#made[name](...args));
          };
        }
      }
    };

  return Object.fromEntries(names.map((name) => [name, living(module[name])]));
}
