// Vectors of three numbers.

const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const times = (a, factor) => [a[0] * factor, a[1] * factor, a[2] * factor];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const length = (a) => Math.hypot(a[0], a[1], a[2]);
const unit = (a) => times(a, 1 / Math.max(length(a), 1e-12));
const mix = (a, b, part) => add(times(a, 1 - part), times(b, part));

// `a` turned about a unit axis by an angle, counter-clockwise seen from its tip (Rodrigues).
function turned(a, axis, angle) {
  const cos = Math.cos(angle);
  return add(add(times(a, cos), times(cross(axis, a), Math.sin(angle))), times(axis, dot(axis, a) * (1 - cos)));
}
