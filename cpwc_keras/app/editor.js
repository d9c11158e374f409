// The frame with its contour: an SVG whose points are clicked and dragged. `element`, `props`, `watch` and `trigger` are
// Gradio's. What was done is sent as the event 'edit'; the server answers with a new value.
const svg = element.querySelector("svg");
const namespace = "http://www.w3.org/2000/svg";
const caption = element.querySelector(".caption");
const hint = element.querySelector(".hint");
let view = {}, dragged = null, start = null;

function add(name, attributes, text) {
  const node = document.createElementNS(namespace, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text) node.textContent = text;
  svg.appendChild(node);
  return node;
}

function path(points) {
  return points.map((p, i) => (i ? "L" : "M") + p[0] + " " + p[1]).join("");
}

// A pixel of the image is one unit; pixel centres are whole numbers, hence the half.
function place(event) {
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [at.x - 0.5, at.y - 0.5];
}

function draw() {
  view = props.value || {};
  element.querySelector(".empty").style.display = view.image ? "none" : "";
  svg.style.display = view.image ? "" : "none";
  caption.textContent = view.caption || "";
  hint.textContent = view.image ? view.hint : "";
  if (!view.image) return;
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${view.width} ${view.height}`);
  svg.classList.toggle("editable", view.editable);
  const unit = Math.max(view.width, view.height) / 640;
  add("image", { href: view.image, x: 0, y: 0, width: view.width, height: view.height });
  const half = { transform: "translate(0.5 0.5)" };
  if (view.curve.length > 1) {
    const ends = [view.curve[0], view.curve[view.curve.length - 1]];
    if (view.points.length !== 2) add("path", { ...half, d: path(ends), class: "base", "stroke-width": unit });
    add("path", { ...half, d: path(view.curve), class: "under", "stroke-width": 4 * unit });
    add("path", { ...half, d: path(view.curve), class: "curve " + view.kind, "stroke-width": 2 * unit });
  }
  for (const label of view.labels) {
    const left = label.at[0] < view.width / 2 && label.text !== "apex";
    const above = label.text === "apex";
    add("text", {
      x: label.at[0] + (above ? 0 : left ? -9 : 9) * unit, y: label.at[1] + (above ? -12 : 5) * unit,
      "text-anchor": above ? "middle" : left ? "end" : "start", "font-size": 13 * unit, "stroke-width": 3 * unit,
    }, label.text);
    if (above) add("circle", { ...half, cx: label.at[0], cy: label.at[1], r: 7 * unit, class: "apex", "stroke-width": 1.2 * unit });
  }
  view.points.forEach((p, i) => {
    const end = i === 0 || i === view.points.length - 1;
    const dot = add("circle", { ...half, cx: p[0], cy: p[1], r: (end ? 5.5 : 4.5) * unit,
      class: end ? "point end" : "point", "stroke-width": 1.4 * unit });
    dot.dataset.index = i;
  });
}

svg.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !view.image) return;
  start = [event.clientX, event.clientY];
  if (event.target.dataset.index !== undefined) {
    dragged = event.target;
  }
});

svg.addEventListener("pointermove", (event) => {
  if (!dragged) return;
  // Not before it moves: a captured pointer would take the double click away from the point.
  if (!svg.hasPointerCapture(event.pointerId)) {
    if (Math.hypot(event.clientX - start[0], event.clientY - start[1]) <= 2) return;
    svg.setPointerCapture(event.pointerId);
  }
  const [x, y] = place(event);
  dragged.setAttribute("cx", x);
  dragged.setAttribute("cy", y);
  const points = view.points.map((p, i) => (i === Number(dragged.dataset.index) ? [x, y] : p));
  svg.querySelectorAll(".under, .base").forEach((node) => node.remove());
  const curve = svg.querySelector(".curve");
  if (curve) {  // straight pieces until the server has drawn the smooth curve
    curve.setAttribute("d", path(points));
    curve.classList.add("moving");
  }
});

svg.addEventListener("pointerup", (event) => {
  if (!start) return;
  const far = Math.hypot(event.clientX - start[0], event.clientY - start[1]) > 2;
  const [x, y] = place(event);
  if (dragged && far) trigger("edit", { kind: "move", index: Number(dragged.dataset.index), x, y });
  else if (!dragged) trigger("edit", { kind: "add", index: -1, x, y });
  dragged = start = null;
});

svg.addEventListener("pointercancel", () => { dragged = start = null; draw(); });

function remove(event) {
  event.preventDefault();
  if (event.target.dataset.index !== undefined) trigger("edit", { kind: "delete", index: Number(event.target.dataset.index), x: 0, y: 0 });
}
svg.addEventListener("dblclick", remove);
svg.addEventListener("contextmenu", remove);
watch("value", draw);
draw();
