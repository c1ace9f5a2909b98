// All that happens, as text.

/** Fills the list; `seek` is told the moment that somebody picks. */
export function events(list, seek) {
  const box = list.parentElement;
  let lines = [];
  let current;

  const seen = ({ subject }) => list.classList.contains("all") || subject !== "message";

  return {
    show(run) {
      lines = run.lines.map(([at, subject, , text]) => {
        const item = document.createElement("li");
        item.className = subject;
        const button = Object.assign(document.createElement("button"), { type: "button" });
        button.textContent = `${(at / 1000).toFixed(3)} s`;
        button.onclick = () => seek(at);
        const said = document.createElement("span");
        said.textContent = text;
        item.append(button, said);
        return { at, subject, item };
      });
      current = undefined;
      list.replaceChildren(...lines.map(({ item }) => item));
    },
    all(on) {
      list.classList.toggle("all", on);
    },
    /** The last one until then is where one is. */
    at(moment) {
      const line = lines.findLast((line) => line.at <= moment && seen(line));
      if (line === current) return;
      current?.item.removeAttribute("aria-current");
      current = line;
      line?.item.setAttribute("aria-current", "true");
      box.scrollTop = line ? line.item.offsetTop - box.clientHeight / 2 : 0;
    },
    after: (moment) => lines.find((line) => line.at > moment && seen(line))?.at ?? Infinity,
    before: (moment) => lines.findLast((line) => line.at < moment && seen(line))?.at ?? 0,
  };
}
