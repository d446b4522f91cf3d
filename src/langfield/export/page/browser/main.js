// Puts the page together: reads it, draws when something changes, and answers keys.

const REST_MS = 160; // after which a camera rests, and the picture is drawn with more of its pixels
const MOVING_MS = 40; // that a picture of a moving camera may take: where this machine is slower, it has fewer pixels
const RESTING_MS = 2500; // likewise of a resting one
const LEAST_SHARE = 0.3; // of the pixels along each side
const MOST_RATIO = 2;
const LONGEST_LABEL = 24; // letters

async function open() {
  const contents = readContents();
  document.title = `${contents.name} · langfield`;
  const arrays = await readArrays(contents.arrays, ["colours", "harmonics", "relevancy", "hits"]);
  const ends = Object.fromEntries(contents.arrays.map((entry) => [entry.name, [entry.low, entry.high]]));
  const scene = {
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
  const canvas = byId("picture");
  const camera = new Camera();
  const painter = new Painter({ ...contents, relevancy: arrays.relevancy, hits: arrays.hits });
  let renderer = new Renderer(canvas, scene);
  let order = new Uint32Array(0);
  const shares = { moving: 0.5, resting: 1 }; // of the pixels along each side that are drawn
  let sorted = false; // once
  let scheduled = false;
  let drawing = false;
  let resting = null;
  let lastMoved = performance.now(); // the first picture is a quick one

  const state = { on: [], shown: null, layer: "Picture", hide: "Nothing", opacity: 0.75, threshold: 0.5, boxed: true, selected: null };
  const motion = () => !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const size = () => [canvas.clientWidth, canvas.clientHeight];

  // -- drawing -----------------------------------------------------------------------------------------------------------

  const sorting = new Sorting(arrays.positions.slice(), (found) => {
    order = found;
    sorted = true;
    renderer.setOrder(order);
    schedule();
  });

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    if (!drawing) requestAnimationFrame(frame);
  }

  function moved() {
    unsettled();
    lastMoved = performance.now();
    panel.showPhoto(null);
    clearTimeout(resting);
    resting = setTimeout(schedule, REST_MS + 20);
    sorting.ask(viewpoint());
    schedule();
  }

  // Whether the picture is what it is going to be: for tests.
  function unsettled() {
    document.documentElement.dataset.state = "drawing";
  }

  function viewpoint() {
    return { eye: camera.eye, forward: camera.forward, near: NEAR };
  }

  function frame(now) {
    scheduled = false;
    const photo = byId("photo").value;
    if (camera.advance(now)) {
      moved();
      panel.showPhoto(photo); // on the way to it, or at it
    }
    const moving = performance.now() - lastMoved < REST_MS;
    const began = performance.now();
    renderer.draw(camera, moving ? shares.moving : shares.resting, background());
    drawBoxes(byId("boxes"), camera, shownBoxes());
    drawing = true;
    renderer.whenDone(() => drawn(performance.now() - began, moving));
  }

  // One picture after the other: a slow machine would otherwise draw what nobody waits for any more.
  function drawn(spent, moving) {
    drawing = false;
    if (sorted) adapt(spent, moving ? "moving" : "resting", moving ? MOVING_MS : RESTING_MS);
    if (sorted && !sorting.busy && !moving && !scheduled) document.documentElement.dataset.state = "ready";
    if (sorted && !byId("status").hidden) {
      byId("status").hidden = true;
      performance.mark("first picture");
    }
    if (scheduled) requestAnimationFrame(frame);
  }

  function adapt(spent, kind, wanted) {
    const change = Math.min(1.2, Math.max(0.5, Math.sqrt(wanted / Math.max(spent, 1))));
    shares[kind] = Math.min(1, Math.max(LEAST_SHARE, shares[kind] * change));
  }

  function background() {
    const [red, green, blue] = getComputedStyle(byId("stage")).backgroundColor.match(/[\d.]+/g);
    return [red / 255, green / 255, blue / 255];
  }

  function shownBoxes() {
    return state.on.flatMap(({ number, colour }) => {
      const { phrase, hits } = contents.answers[number];
      return hits.flatMap((hit, rank) => {
        const strong = state.selected?.number === number && state.selected.rank === rank;
        if (!state.boxed && !strong) return [];
        const short = phrase.length > LONGEST_LABEL ? `${phrase.slice(0, LONGEST_LABEL - 1)}…` : phrase;
        return [{ hit, colour, strong, label: hits.length > 1 ? `${short} ${rank + 1}` : short }];
      });
    });
  }

  function fit() {
    const ratio = Math.min(devicePixelRatio || 1, MOST_RATIO);
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    schedule();
  }

  function changed() {
    unsettled();
    painter.paint(state);
    renderer.setOverlay(painter.overlay);
    sorting.draw(state.hide === "Nothing" ? null : painter.drawn.slice());
    sorting.ask(viewpoint());
    panel.showScale(painter.ramp, (number) => painter.span(number));
    schedule();
  }

  // -- places ------------------------------------------------------------------------------------------------------------

  function standAt(number) {
    const photo = contents.photos[number];
    camera.fly(standOfPhoto(photo, contents.distance), performance.now(), motion(), () => {
      camera.standAtPhoto(photo, contents.distance);
      moved();
      panel.showPhoto(number);
    });
    panel.showPhoto(number);
    schedule();
  }

  function flyTo(number, rank) {
    const hit = contents.answers[number].hits[rank];
    const end = camera.before(hit.centre, Math.max(...hit.edges), hit.eye, size());
    camera.fly(end, performance.now(), motion(), () => {
      camera.look(end.eye, end.target, end.up);
      moved();
    });
    schedule();
  }

  // Turn about the nearest thing that is drawn at a place of the picture.
  function placeAt(x, y) {
    const focal = camera.focal(...size());
    const [middleX, middleY] = size().map((side) => side / 2);
    let nearest = Infinity;
    let place = null;
    for (const index of order) {
      if (scene.opacities[index] < 0.3) continue;
      const point = scene.positions.subarray(3 * index, 3 * index + 3);
      const away = minus(point, camera.eye);
      const depth = dot(away, camera.forward);
      if (depth >= nearest) continue;
      const wide = focal * Math.exp(Math.max(...arrays.logScales.subarray(3 * index, 3 * index + 3)));
      const [across, down] = [dot(away, camera.right), dot(away, camera.down)].map((part) => (focal * part) / depth);
      if (Math.hypot(middleX + across - x, middleY + down - y) > 2 + wide / depth) continue;
      [nearest, place] = [depth, [...point]];
    }
    if (!place) return;
    const end = { eye: camera.eye, target: place, up: UP };
    camera.fly(end, performance.now(), motion(), () => {
      camera.look(end.eye, end.target, end.up);
      moved();
    });
    schedule();
  }

  // -- keys --------------------------------------------------------------------------------------------------------------

  const KEYS = {
    l: () => panel.next("layer", LAYERS),
    h: () => panel.next("hide", HIDDEN),
    n: () => panel.selectNext(),
    b: () => byId("boxed").click(),
    0: () => standAt(contents.first),
    ",": () => panel.stepPhoto(-1),
    ".": () => panel.stepPhoto(1),
    "/": () => byId("filter").focus(),
    "?": () => byId("help-text").showModal(),
  };

  addEventListener("keydown", (event) => {
    const field = event.target;
    const typing = field.matches("select, input[type=search]") || (field.matches("input") && event.key.startsWith("Arrow"));
    if (typing || event.ctrlKey || event.metaKey || event.altKey || byId("help-text").open) return;
    const key = event.key.toLowerCase();
    if (moveByKey(event, camera, canvas)) moved();
    else if (/^[1-9]$/.test(key) && panel.chips[key - 1]) panel.toggle(key - 1);
    else if (KEYS[key]) KEYS[key]();
    else return;
    event.preventDefault();
  });

  const panel = new Panel(contents, state, { changed, flyTo, standAt });
  controlPicture(canvas, camera, moved, placeAt);
  byId("home").addEventListener("click", () => standAt(contents.first));
  byId("help").addEventListener("click", () => byId("help-text").showModal());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", schedule);
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => {
    renderer = new Renderer(canvas, scene);
    renderer.setOverlay(painter.overlay);
    renderer.setOrder(order);
    schedule();
  });
  new ResizeObserver(fit).observe(canvas);
  camera.standAtPhoto(contents.photos[contents.first], contents.distance);
  fit();
  moved();
  panel.showPhoto(contents.first);
}

open().catch((error) => {
  byId("status").textContent = `This page cannot be shown: ${error.message}`;
  byId("status").classList.add("failed");
});
