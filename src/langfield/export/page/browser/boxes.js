// Boxes around hits, over the picture.

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

// boxes: [{hit, colour, label, strong}]. The canvas has `ratio` pixels for each of the page's.
function drawBoxes(canvas, camera, boxes, ratio) {
  const pen = canvas.getContext("2d");
  const [width, height] = [canvas.width / ratio, canvas.height / ratio];
  const focal = camera.focal(width, height);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const local = (point) => {
    const away = minus(point, camera.eye);
    return [dot(away, camera.right), dot(away, camera.down), dot(away, camera.forward)];
  };
  const onScreen = ([x, y, z]) => [width / 2 + (focal * x) / z, height / 2 + (focal * y) / z];

  for (const { hit, colour, label, strong } of boxes) {
    const corners = cornersOf(hit).map(local);
    pen.beginPath();
    for (const [a, b] of EDGES) {
      const ends = clipped(corners[a], corners[b]);
      if (!ends) continue;
      pen.moveTo(...onScreen(ends[0]));
      pen.lineTo(...onScreen(ends[1]));
    }
    pen.lineJoin = pen.lineCap = "round";
    pen.strokeStyle = "rgb(0 0 0 / 0.55)";
    pen.lineWidth = strong ? 5 : 3;
    pen.stroke();
    pen.strokeStyle = `rgb(${lighter(colour)})`;
    pen.lineWidth = strong ? 2.5 : 1.25;
    pen.stroke();
    if (label && corners.every((corner) => corner[2] > NEAR)) drawLabel(pen, corners.map(onScreen), label, colour, width);
  }
}

function drawLabel(pen, corners, label, colour, width) {
  const xs = corners.map((corner) => corner[0]);
  pen.font = "600 12px system-ui, sans-serif";
  const shown = label.length > 40 ? `${label.slice(0, 39)}…` : label;
  const wide = pen.measureText(shown).width + 12;
  const middle = (Math.min(...xs) + Math.max(...xs)) / 2;
  const x = Math.max(4, Math.min(width - wide - 4, middle - wide / 2));
  const y = Math.max(4, Math.min(...corners.map((corner) => corner[1])) - 26);
  pen.fillStyle = `rgb(${colour})`;
  pen.beginPath();
  pen.roundRect(x, y, wide, 20, 5);
  pen.fill();
  pen.fillStyle = "#fff";
  pen.textBaseline = "middle";
  pen.fillText(shown, x + 6, y + 10.5);
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
