// Mouse, touch and keys on the picture: they move the camera and say so.

const RADIANS_A_PICTURE = 3.5; // turned by a drag across all of it
const KEY_RADIANS = 0.08;
const KEY_PIXELS = 30;
const KEY_ZOOM = 0.9;

function controlPicture(canvas, camera, moved, placeAt) {
  const pointers = new Map();
  let shifting = false;

  const size = () => [canvas.clientWidth, canvas.clientHeight];
  const focal = () => camera.focal(...size());
  const stopped = () => (camera.flight = null);

  function span() {
    const [a, b] = [...pointers.values()];
    return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, apart: Math.hypot(a[0] - b[0], a[1] - b[1]) };
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    shifting = event.button !== 0 || event.shiftKey;
    stopped();
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const [across, down] = [event.clientX - before[0], event.clientY - before[1]];
    if (pointers.size === 2) {
      const old = span();
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      const now = span();
      camera.zoom(old.apart / Math.max(now.apart, 1));
      camera.shift(now.x - old.x, now.y - old.y, focal());
    } else {
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      const radians = RADIANS_A_PICTURE / Math.max(...size());
      if (shifting) camera.shift(across, down, focal());
      else camera.turn(across * radians, down * radians);
    }
    moved();
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => pointers.delete(event.pointerId));
  }
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      stopped();
      camera.zoom(Math.exp(Math.max(-0.5, Math.min(0.5, 0.0015 * event.deltaY * (event.deltaMode ? 20 : 1)))));
      moved();
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", (event) => placeAt(event.offsetX, event.offsetY));
}

// True where the key moved the camera.
function moveByKey(event, camera, canvas) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = steps[event.key];
  if (step) {
    const [across, down] = step;
    if (event.shiftKey) {
      const focal = camera.focal(canvas.clientWidth, canvas.clientHeight);
      camera.shift(-KEY_PIXELS * across, -KEY_PIXELS * down, focal);
    } else {
      camera.turn(-KEY_RADIANS * across, -KEY_RADIANS * down);
    }
  } else if (event.key === "+" || event.key === "=") {
    camera.zoom(KEY_ZOOM);
  } else if (event.key === "-" || event.key === "_") {
    camera.zoom(1 / KEY_ZOOM);
  } else {
    return false;
  }
  camera.flight = null;
  return true;
}
