// Boxes around hits, over the picture.

const SVG = "http://www.w3.org/2000/svg";
const LETTER = 7.5; // pixels
const EDGES = [[0, 1], [2, 3], [4, 5], [6, 7], [0, 2], [1, 3], [4, 6], [5, 7], [0, 4], [1, 5], [2, 6], [3, 7]];

// The corners of a hit's box; the last four are the upper ones.
function cornersOf(hit) {
  const corners = [];
  for (const z of [-0.5, 0.5]) {
    for (const y of [-0.5, 0.5]) {
      for (const x of [-0.5, 0.5]) {
        let corner = hit.centre;
        [x, y, z].forEach((share, n) => {
          corner = add(corner, times(hit.axes.slice(3 * n, 3 * n + 3), share * hit.edges[n]));
        });
        corners.push(corner);
      }
    }
  }
  return corners;
}

// Draws into an element that lies over the picture. boxes: [{hit, colour, label, strong}].
function drawBoxes(element, camera, boxes) {
  const [width, height] = [element.clientWidth, element.clientHeight];
  const focal = camera.focal(width, height);
  const local = (point) => {
    const away = minus(point, camera.eye);
    return [dot(away, camera.right), dot(away, camera.down), dot(away, camera.forward)];
  };
  const onScreen = ([x, y, z]) => [width / 2 + (focal * x) / z, height / 2 + (focal * y) / z];

  const lines = document.createElementNS(SVG, "svg");
  const labels = [];
  for (const { hit, colour, label, strong } of boxes) {
    const corners = cornersOf(hit).map(local);
    const ends = EDGES.map(([a, b]) => clipped(corners[a], corners[b])).filter(Boolean);
    const way = ends.map((pair) => `M${pair.map((end) => onScreen(end).map((side) => side.toFixed(1)).join(" ")).join("L")}`);
    lines.append(
      line(way.join(""), "rgb(0 0 0 / 0.55)", strong ? 5 : 3),
      line(way.join(""), `rgb(${lighter(colour)})`, strong ? 2.5 : 1.25),
    );
    if (corners.every((corner) => corner[2] > NEAR)) labels.push(placed(label, corners.map(onScreen), colour, width));
  }
  element.replaceChildren(lines, ...labels);
}

function line(way, colour, width) {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", way);
  path.setAttribute("stroke", colour);
  path.setAttribute("stroke-width", width);
  return path;
}

// Above the middle of a box, within the picture as far as its letters are as wide as most.
function placed(label, corners, colour, width) {
  const [xs, ys] = [0, 1].map((side) => corners.map((corner) => corner[side]));
  const half = 10 + (LETTER / 2) * label.length;
  const middle = (Math.min(...xs) + Math.max(...xs)) / 2;
  const element = document.createElement("span");
  element.textContent = label;
  element.style.left = `${Math.max(half, Math.min(width - half, middle))}px`;
  element.style.top = `${Math.max(28, Math.min(...ys) - 4)}px`;
  element.style.backgroundColor = `rgb(${colour})`;
  return element;
}

// The part of an edge (camera axes) that is before the camera; null for none.
function clipped(a, b) {
  if (a[2] < NEAR && b[2] < NEAR) return null;
  const at = (from, to) => mix(from, to, (NEAR - from[2]) / (to[2] - from[2]));
  return [a[2] < NEAR ? at(a, b) : a, b[2] < NEAR ? at(b, a) : b];
}

function lighter(colour) {
  return colour.map((c) => Math.round(c + 0.35 * (255 - c)));
}
