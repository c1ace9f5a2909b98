// Elements of SVG.

/** With these attributes, in this parent. */
export function draw(parent, name, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

/** What it is when it is pointed at. */
export function tip(node, text) {
  draw(node, "title", {}, text);
  return node;
}
