// Puts the page together: reads it, draws when something changes, and answers keys.

const REST_MS = 160; // after which a camera rests, and the picture is drawn with more of its pixels
const MOVING_MS = 40; // that a picture of a moving camera may take: where this machine is slower, it has fewer pixels
const RESTING_MS = 2500; // likewise of a resting one
const LEAST_SHARE = 0.3; // of the pixels along each side
const MOST_RATIO = 2;
const LONGEST_LABEL = 24; // letters

class Page {
  constructor(contents, arrays) {
    this.contents = contents;
    this.logScales = arrays.logScales;
    this.scene = sceneOf(contents, arrays);
    this.state = { on: [], shown: null, layer: "Picture", hide: "Nothing", opacity: 0.75, threshold: 0.5, boxed: true, selected: null };
    this.canvas = byId("picture");
    this.camera = new Camera();
    this.painter = new Painter({ ...contents, relevancy: arrays.relevancy, hits: arrays.hits });
    this.renderer = new Renderer(this.canvas, this.scene);
    this.sorting = new Sorting(arrays.positions.slice(), (order) => this.takeOrder(order));
    this.order = null; // of the Gaussians that are drawn, once they are sorted
    this.shares = { moving: 0.5, resting: 1 }; // of the pixels along each side that are drawn
    this.scheduled = false;
    this.drawing = false;
    this.lastMoved = performance.now(); // the first picture is a quick one
    this.panel = new Panel(contents, this.state, {
      changed: () => this.changed(),
      flyTo: (number, rank) => this.flyTo(number, rank),
      standAt: (number) => this.standAt(number),
    });
    this.listen();
    this.camera.standAtPhoto(contents.photos[contents.first], contents.distance);
    this.fit();
    this.moved();
    this.panel.showPhoto(contents.first);
  }

  listen() {
    const { canvas } = this;
    controlPicture(canvas, this.camera, () => this.moved(), (x, y) => this.turnAbout(x, y));
    addEventListener("keydown", (event) => this.answerKey(event));
    byId("home").addEventListener("click", () => this.standAt(this.contents.first));
    byId("help").addEventListener("click", () => byId("help-text").showModal());
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.drawAgain());
    new ResizeObserver(() => this.fit()).observe(canvas);
  }

  get size() {
    return [this.canvas.clientWidth, this.canvas.clientHeight];
  }

  // -- drawing -----------------------------------------------------------------------------------------------------------

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    if (!this.drawing) requestAnimationFrame((now) => this.frame(now));
  }

  // Whether the picture is what it is going to be: for tests.
  unsettled() {
    document.documentElement.dataset.state = "drawing";
  }

  sort() {
    this.sorting.ask({ eye: this.camera.eye, forward: this.camera.forward, near: NEAR });
  }

  takeOrder(order) {
    this.order = order;
    this.renderer.setOrder(order);
    this.schedule();
  }

  // After the camera was moved by a person, or by a flight.
  moved() {
    this.unsettled();
    this.lastMoved = performance.now();
    this.panel.showPhoto(null);
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.schedule(), REST_MS + 20);
    this.sort();
    this.schedule();
  }

  // After the panel changed the state.
  changed() {
    const { painter, state } = this;
    this.unsettled();
    painter.paint(state);
    this.renderer.setOverlay(painter.overlay);
    this.sorting.draw(state.hide === "Nothing" ? null : painter.drawn.slice());
    this.sort();
    this.panel.showScale(painter.ramp, (number) => painter.span(number));
    this.schedule();
  }

  frame(now) {
    this.scheduled = false;
    const photo = byId("photo").value;
    if (this.camera.advance(now)) {
      this.moved();
      this.panel.showPhoto(photo); // on the way to it, or at it
    }
    const kind = performance.now() - this.lastMoved < REST_MS ? "moving" : "resting";
    const began = performance.now();
    this.renderer.draw(this.camera, this.shares[kind], background());
    drawBoxes(byId("boxes"), this.camera, this.shownBoxes());
    this.drawing = true;
    this.renderer.whenDone(() => this.drawn(performance.now() - began, kind));
  }

  // One picture after the other: a slow machine would otherwise draw what nobody waits for any more.
  drawn(spent, kind) {
    this.drawing = false;
    if (this.order) {
      const change = Math.sqrt((kind === "moving" ? MOVING_MS : RESTING_MS) / Math.max(spent, 1));
      const share = this.shares[kind] * Math.min(1.2, Math.max(0.5, change));
      this.shares[kind] = Math.min(1, Math.max(LEAST_SHARE, share));
      if (kind === "resting" && !this.sorting.busy && !this.scheduled) document.documentElement.dataset.state = "ready";
      if (!byId("status").hidden) performance.mark("first picture");
      byId("status").hidden = true;
    }
    if (this.scheduled) requestAnimationFrame((now) => this.frame(now));
  }

  fit() {
    const ratio = Math.min(devicePixelRatio || 1, MOST_RATIO);
    [this.canvas.width, this.canvas.height] = this.size.map((side) => Math.max(1, Math.round(side * ratio)));
    this.schedule();
  }

  // A browser may take the graphics card away for a while.
  drawAgain() {
    this.renderer = new Renderer(this.canvas, this.scene);
    this.renderer.setOverlay(this.painter.overlay);
    if (this.order) this.renderer.setOrder(this.order);
    this.schedule();
  }

  shownBoxes() {
    const { state, contents } = this;
    return state.on.flatMap(({ number, colour }) => {
      const { phrase, hits } = contents.answers[number];
      const short = phrase.length > LONGEST_LABEL ? `${phrase.slice(0, LONGEST_LABEL - 1)}…` : phrase;
      return hits.flatMap((hit, rank) => {
        const strong = state.selected?.number === number && state.selected.rank === rank;
        if (!state.boxed && !strong) return [];
        return [{ hit, colour, strong, label: hits.length > 1 ? `${short} ${rank + 1}` : short }];
      });
    });
  }

  // -- places ------------------------------------------------------------------------------------------------------------

  fly(end, arrive = () => this.camera.look(end.eye, end.target, end.up)) {
    this.panel.showPhoto(null); // it leaves the photo where it was
    const motion = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.camera.fly(end, performance.now(), motion, () => {
      arrive();
      this.moved();
    });
    this.schedule();
  }

  standAt(number) {
    const { photos, distance } = this.contents;
    this.fly(standOfPhoto(photos[number], distance), () => this.camera.standAtPhoto(photos[number], distance));
    this.panel.showPhoto(number);
  }

  flyTo(number, rank) {
    const hit = this.contents.answers[number].hits[rank];
    this.fly(this.camera.before(hit.centre, Math.max(...hit.edges), hit.eye, this.size));
  }

  turnAbout(x, y) {
    const target = this.placeAt(x, y);
    if (target) this.fly({ eye: this.camera.eye, target, up: UP });
  }

  // The nearest thing that is drawn at a place of the picture; null for none.
  placeAt(x, y) {
    const { scene, camera, size } = this;
    const focal = camera.focal(...size);
    let nearest = Infinity;
    let place = null;
    for (const index of this.order ?? []) {
      if (scene.opacities[index] < 0.3) continue;
      const point = scene.positions.subarray(3 * index, 3 * index + 3);
      const away = minus(point, camera.eye);
      const depth = dot(away, camera.forward);
      if (depth >= nearest) continue;
      const wide = Math.exp(Math.max(...this.logScales.subarray(3 * index, 3 * index + 3)));
      const [across, down] = [dot(away, camera.right), dot(away, camera.down)].map((part) => (focal * part) / depth);
      const apart = Math.hypot(size[0] / 2 + across - x, size[1] / 2 + down - y);
      if (apart <= 2 + (focal * wide) / depth) [nearest, place] = [depth, [...point]];
    }
    return place;
  }

  // -- keys --------------------------------------------------------------------------------------------------------------

  answerKey(event) {
    const field = event.target;
    const typing = field.matches("select, input[type=search]") || (field.matches("input") && event.key.startsWith("Arrow"));
    if (typing || event.ctrlKey || event.metaKey || event.altKey || byId("help-text").open) return;
    const { panel } = this;
    const key = event.key.toLowerCase();
    const actions = {
      l: () => panel.next("layer", LAYERS),
      h: () => panel.next("hide", HIDDEN),
      n: () => panel.selectNext(),
      b: () => byId("boxed").click(),
      0: () => this.standAt(this.contents.first),
      ",": () => panel.stepPhoto(-1),
      ".": () => panel.stepPhoto(1),
      "/": () => byId("filter").focus(),
      "?": () => byId("help-text").showModal(),
    };
    if (moveByKey(event, this.camera, this.canvas)) this.moved();
    else if (/^[1-9]$/.test(key) && panel.chips[key - 1]) panel.toggle(key - 1);
    else if (actions[key]) actions[key]();
    else return;
    event.preventDefault();
  }
}

// What the renderer draws.
function sceneOf(contents, arrays) {
  const ends = Object.fromEntries(contents.arrays.map((entry) => [entry.name, [entry.low, entry.high]]));
  return {
    count: contents.count,
    positions: arrays.positions,
    covariances: covariancesOf(arrays.rotations, arrays.logScales),
    opacities: arrays.opacities,
    colours: arrays.colours,
    colourEnds: ends.colours,
    harmonics: arrays.harmonics ?? null,
    harmonicsMost: ends.harmonics?.[1] ?? 1,
    degree: contents.degree,
    worldFromPageTurn: contents.worldFromPageTurn,
  };
}

function background() {
  const [red, green, blue] = getComputedStyle(byId("stage")).backgroundColor.match(/[\d.]+/g);
  return [red / 255, green / 255, blue / 255];
}

async function open() {
  const contents = readContents();
  document.title = `${contents.name} · langfield`;
  new Page(contents, await readArrays(contents.arrays, ["colours", "harmonics", "relevancy", "hits"]));
}

open().catch((error) => {
  byId("status").textContent = `This page cannot be shown: ${error.message}`;
  byId("status").classList.add("failed");
});
