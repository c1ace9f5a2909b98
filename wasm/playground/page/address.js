// What is shown, as the page's address says it.

const NAMES = ["protocol", "seed", "candidates", "without", "at"];
// What a visitor sees first.
const FIRST = { protocol: "client-go", seed: "136", candidates: "", without: "", at: "47" };

/** What the address says; all of it is text. */
export function read() {
  const said = new URLSearchParams(location.hash.slice(1));
  if (![...said.keys()].length) return { ...FIRST };
  return Object.fromEntries(NAMES.map((name) => [name, said.get(name) ?? (name === "protocol" ? "lessor" : name === "seed" ? "0" : "")]));
}

/** Makes the address say this. Going back leads to the page before, not through all that was looked at. */
export function write(state) {
  const said = new URLSearchParams(NAMES.map((name) => [name, state[name]]).filter(([, value]) => value !== ""));
  // As it is read by people: commas and blanks need no escapes but one.
  history.replaceState(null, "", "#" + said.toString().replaceAll("%2C", ","));
}
