// The loop with its contour: a canvas with the frame, above it an SVG whose points are clicked and dragged. `element`,
// `props`, `watch` and `trigger` are Gradio's. What was done is sent as the event 'edit', a step to another frame through
// the page's slider; the server answers with a new value. Until it has, and while the loop plays, frames come from the
// film, tracked contours from the tracks, both of which the server sends beside.
const root = element.querySelector(".editor");
const canvas = element.querySelector("canvas");
const svg = element.querySelector("svg");
const play = element.querySelector(".play");
const namespace = "http://www.w3.org/2000/svg";
const ANSWER_MS = 2000, REACH = 9, MOVED = 2;
let view = {}, film = null, tracks = null;
let shown = 0;  // frame
let asked = null;  // {frame, at}: what the server was asked for
let playing = false, painted = 0;
let dragged = null, start = null;

// A pixel of the screen in pixels of the image: points and words are as large whatever the window.
const unit = () => 1 / (svg.getScreenCTM()?.a || 1);

function add(parent, name, attributes, text) {
  const node = document.createElementNS(namespace, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text) node.textContent = text;
  parent.appendChild(node);
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

function nearest(event) {
  const [x, y] = place(event);
  let best = null, least = REACH * unit();
  view.points.forEach((p, i) => {
    const distance = Math.hypot(p[0] - x, p[1] - y);
    if (distance < least) [best, least] = [i, distance];
  });
  return view.editable ? best : null;
}

// Decoding takes a moment: what was asked for later is not painted over.
async function paint(picture) {
  const turn = ++painted;
  let image;
  if (picture instanceof Blob) {
    image = await createImageBitmap(picture);
  } else {
    image = new Image();
    image.src = picture;
    await image.decode();
  }
  if (turn !== painted) return;
  const [left, top, width, height] = view.box;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.getContext("2d").drawImage(image, -left, -top);
}

function caption(frame) {
  const strain = tracks && tracks.number === view.tracked ? `strain ${tracks.strain[frame].toFixed(1)} %` : "";
  const time = view.rate ? `${(frame / view.rate).toFixed(2)} s` : "";
  const mark = frame === view.ed ? "ED" : frame === view.es ? "ES" : "";
  return [`frame ${frame}`, time, mark, strain].filter(Boolean).join("   ");
}

function draw(now) {
  const there = Boolean(now.image);
  root.classList.toggle("open", there);
  element.querySelector(".caption").textContent = there ? caption(now.frame) : "";
  element.querySelector(".hint").textContent = there ? now.hint : "";
  if (!there) return;
  shown = now.frame;
  const focused = svg.contains(document.activeElement) ? document.activeElement.dataset.index : undefined;
  svg.replaceChildren();
  svg.setAttribute("viewBox", now.box.join(" "));
  svg.classList.toggle("editable", now.editable);
  paint(now.picture || now.image);
  const u = unit(), layer = add(svg, "g", { transform: "translate(0.5 0.5)" });
  if (now.curve.length > 1) {
    const ends = [now.curve[0], now.curve[now.curve.length - 1]];
    if (now.points.length !== 2) add(layer, "path", { d: path(ends), class: "base", "stroke-width": u });
    add(layer, "path", { d: path(now.curve), class: "under", "stroke-width": 4 * u });
    add(layer, "path", { d: path(now.curve), class: "curve " + now.kind, "stroke-width": 2 * u });
  }
  for (const label of now.labels) {
    const above = label.text === "apex", left = !above && label.text.startsWith("septal");
    add(layer, "text", {
      x: label.at[0] + (above ? 0 : left ? -9 : 9) * u, y: label.at[1] + (above ? -12 : 5) * u,
      "text-anchor": above ? "middle" : left ? "end" : "start", "font-size": 13 * u, "stroke-width": 3 * u,
    }, label.text);
    if (above) add(layer, "circle", { cx: label.at[0], cy: label.at[1], r: 7 * u, class: "apex", "stroke-width": 1.2 * u });
  }
  now.points.forEach((p, i) => {
    const end = i === 0 || i === now.points.length - 1;
    const dot = add(layer, "circle", { cx: p[0], cy: p[1], r: (end ? 5.5 : 4.5) * u, tabindex: 0, role: "button",
      class: end ? "point end" : "point", "stroke-width": 1.4 * u,
      "aria-label": `point ${i + 1} of ${now.points.length}: arrow keys move it, Delete removes it` });
    dot.dataset.index = i;
    if (String(i) === focused) dot.focus({ preventScroll: true });
  });
}

function answered() {
  view = props.value || {};
  if (film && film.loop !== view.loop) film = null;
  play.disabled = !film;
  if (playing && film) return;  // its end asks for the frame it stopped at
  if (dragged !== null) return;  // the drag's end is answered, too
  const late = asked && view.image && view.frame !== asked.frame && performance.now() - asked.at < ANSWER_MS;
  if (late) return;
  asked = null;
  draw(view);
}

// A frame as far as it is known here.
function drawFromFilm(frame) {
  const tracked = tracks && tracks.number === view.tracked && frame !== view.ed;
  const own = view.ed === null || frame === view.ed;
  const speed = view.rate ? "Plays as fast as it was recorded." : "Plays 25 frames a second: the frame rate is unknown.";
  draw({ ...view, frame, picture: film.frames[frame], points: [], labels: [], editable: false,
    hint: playing ? speed : view.hint, curve: tracked ? tracks.contours[frame] : view.drawn, kind: tracked ? "tracked" : own ? "drawn" : "elsewhere" });
}

const slider = () => document.querySelector("#frame input[type=range]");

// By the slider, as if it had been dragged, so that the page knows.
function go(frame) {
  frame = Math.min(Math.max(frame, 0), view.frames - 1);
  const range = slider();
  if (!range || frame === Number(range.value)) return draw(view);
  range.value = frame;
  range.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("input", (event) => {
  if (!view.image || !event.target.closest("#frame") || event.target.value === "") return;
  playing = false;
  asked = { frame: Math.min(Math.max(Number(event.target.value), 0), view.frames - 1), at: performance.now() };
  if (film) drawFromFilm(asked.frame);
});

document.addEventListener("cpwc-film", async (event) => {
  const told = event.detail || {};
  if (!told.file) return;
  const answer = await fetch("gradio_api/file=" + encodeURI(told.file));
  if (!answer.ok || told.loop !== view.loop) return;
  const all = await answer.blob();
  film = { loop: told.loop, frames: told.ends.map((end, i) => all.slice(i ? told.ends[i - 1] : 0, end, "image/jpeg")) };
  play.disabled = false;
});

document.addEventListener("cpwc-tracks", (event) => {
  tracks = event.detail && event.detail.number ? event.detail : null;
  if (view.image && !playing) element.querySelector(".caption").textContent = caption(shown);
});

function run() {
  const rate = view.rate || 25, loop = view.loop, first = shown, began = performance.now();
  playing = true;
  play.textContent = "❚❚ Pause";
  function next(now) {
    if (!playing || !film || view.loop !== loop) {
      playing = false;
      play.textContent = "▶ Play";
      return;
    }
    const frame = (first + Math.max(0, Math.floor((now - began) / 1000 * rate))) % film.frames.length;
    if (frame !== shown) drawFromFilm(frame);
    requestAnimationFrame(next);
  }
  requestAnimationFrame(next);
}

function toggle() {
  if (!film) return;
  if (!playing) return run();
  playing = false;
  go(shown);
}
play.addEventListener("click", toggle);

root.addEventListener("keydown", (event) => {
  if (!view.image || event.altKey || event.target === play) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    return document.querySelector("#undo").click();
  }
  if (event.ctrlKey || event.metaKey) return;
  const index = event.target.dataset.index, far = event.shiftKey ? 5 : 1;
  const way = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] }[event.key];
  if (index !== undefined && way && view.editable) {
    event.preventDefault();
    const point = view.points[index];
    [point[0], point[1]] = [point[0] + way[0], point[1] + way[1]];
    [["cx", 0], ["cy", 1]].forEach(([name, axis]) => event.target.setAttribute(name, point[axis]));
    trigger("edit", { kind: "move", index: Number(index), x: point[0], y: point[1] });
  } else if (index !== undefined && (event.key === "Delete" || event.key === "Backspace")) {
    event.preventDefault();
    trigger("edit", { kind: "delete", index: Number(index), x: 0, y: 0 });
    root.focus({ preventScroll: true });
  } else if (event.key === " ") {
    event.preventDefault();
    toggle();
  } else {
    const to = { ArrowLeft: shown - far, ArrowRight: shown + far, PageUp: shown - 10, PageDown: shown + 10,
      Home: 0, End: view.frames - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  }
});

// Else the point that was clicked would take the arrow keys, which are for the frames then.
svg.addEventListener("mousedown", (event) => { event.preventDefault(); root.focus({ preventScroll: true }); });

svg.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !view.image) return;
  if (playing) return toggle();
  start = [event.clientX, event.clientY];
  dragged = nearest(event);
});

svg.addEventListener("pointermove", (event) => {
  if (view.image && !start) svg.classList.toggle("near", nearest(event) !== null);
  if (dragged === null) return;
  // Not before it moves: a captured pointer would take the double click away from the point.
  if (!svg.hasPointerCapture(event.pointerId)) {
    if (Math.hypot(event.clientX - start[0], event.clientY - start[1]) <= MOVED) return;
    svg.setPointerCapture(event.pointerId);
  }
  const [x, y] = place(event), dot = svg.querySelector(`[data-index="${dragged}"]`);
  if (!dot) return;
  dot.setAttribute("cx", x);
  dot.setAttribute("cy", y);
  const points = view.points.map((p, i) => (i === dragged ? [x, y] : p));
  svg.querySelectorAll(".under, .base, text, .apex").forEach((node) => node.remove());
  const curve = svg.querySelector(".curve");
  if (curve) {  // straight pieces until the server has drawn the smooth curve
    curve.setAttribute("d", path(points));
    curve.classList.add("moving");
  }
});

svg.addEventListener("pointerup", (event) => {
  if (!start) return;
  const far = Math.hypot(event.clientX - start[0], event.clientY - start[1]) > MOVED;
  const [x, y] = place(event), index = dragged;
  dragged = start = null;
  if (index === null) trigger("edit", { kind: "add", index: -1, x, y });
  else if (far) trigger("edit", { kind: "move", index, x, y });
  else draw(view);  // what was answered meanwhile
});

svg.addEventListener("pointercancel", () => { dragged = start = null; draw(view); });

function remove(event) {
  event.preventDefault();
  const index = view.image ? nearest(event) : null;
  if (index !== null) trigger("edit", { kind: "delete", index, x: 0, y: 0 });
}
svg.addEventListener("dblclick", remove);
svg.addEventListener("contextmenu", remove);
new ResizeObserver(() => { if (view.image && !playing && dragged === null) draw(view); }).observe(svg);
watch("value", answered);
answered();
