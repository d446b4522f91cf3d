// Where the page looks from: OpenCV's axes (right, down, forward) in the page's frame, whose +z is upwards.

const UP = [0, 0, 1];
const NEAR = 0.01; // what is nearer is not drawn
const STEEPEST = 0.998; // of the way upwards that the camera may look
const HEIGHT_OF_PICTURE = 0.4; // how much of it a thing takes that is flown to
const NEAREST_SHARE = 0.6; // of a photo's distance: nearer, the scene was never seen
const FLIGHT_MS = 700;

class Camera {
  constructor() {
    this.look([0, 0, 0], [0, 1, 0], UP);
    this.tangents = [0.5, 0.4]; // of half the field of view that is always seen, across and down
    this.flight = null;
  }

  get target() {
    return add(this.eye, times(this.forward, this.distance));
  }

  // In pixels, for a picture of this size: all that a photo shows is in it.
  focal(width, height) {
    return Math.min(width / (2 * this.tangents[0]), height / (2 * this.tangents[1]));
  }

  look(eye, target, up) {
    const forward = unit(minus(target, eye));
    let right = cross(forward, up);
    if (length(right) < 1e-6) right = this.right ?? [1, 0, 0];
    this.eye = eye;
    this.forward = forward;
    this.right = unit(right);
    this.down = cross(this.forward, this.right);
    this.distance = length(minus(target, eye));
  }

  // About the target: around the vertical, then up or down.
  turn(across, down) {
    const target = this.target;
    for (const axis of ["right", "down", "forward"]) this[axis] = turned(this[axis], UP, -across);
    const tilted = turned(this.forward, this.right, -down);
    if (Math.abs(tilted[2]) < STEEPEST || Math.abs(tilted[2]) < Math.abs(this.forward[2])) {
      this.forward = tilted;
      this.down = cross(this.forward, this.right);
    }
    this.eye = minus(target, times(this.forward, this.distance));
  }

  // So that what is at the target moves by so many pixels of a picture with this focal length.
  shift(across, down, focal) {
    const step = this.distance / focal;
    this.eye = add(this.eye, add(times(this.right, -across * step), times(this.down, -down * step)));
  }

  zoom(factor) {
    const target = this.target;
    this.distance = Math.min(100, Math.max(2 * NEAR, this.distance * factor));
    this.eye = minus(target, times(this.forward, this.distance));
  }

  standAtPhoto(photo, distance) {
    this.tangents = photo.tangents;
    const column = (n) => [photo.pose[n], photo.pose[4 + n], photo.pose[8 + n]];
    [this.right, this.down, this.forward, this.eye] = [0, 1, 2, 3].map(column);
    this.distance = distance;
  }

  // The place before a thing, on the way to it from an eye that saw it: what `fly` takes.
  before(centre, size, eye, [width, height]) {
    const away = minus(eye ?? this.eye, centre);
    const far = Math.max(length(away), 1e-6);
    const tangent = Math.min(width, height) / (2 * this.focal(width, height));
    const wanted = size / (2 * HEIGHT_OF_PICTURE * tangent);
    const distance = Math.min(far, Math.max(wanted, NEAREST_SHARE * far));
    return { eye: add(centre, times(away, distance / far)), target: centre, up: UP };
  }

  // Arrive is called at the end; without `motion` that is at once.
  fly(end, now, motion, arrive = () => this.look(end.eye, end.target, end.up)) {
    if (!motion) {
      this.flight = null;
      arrive();
      return;
    }
    this.flight = { from: { eye: this.eye, target: this.target, up: times(this.down, -1) }, end, began: now, arrive };
  }

  // One step of a flight; false where there is none.
  advance(now) {
    if (!this.flight) return false;
    const { from, end, began, arrive } = this.flight;
    const time = Math.min(1, Math.max(0, (now - began) / FLIGHT_MS));
    if (time === 1) {
      this.flight = null;
      arrive();
    } else {
      const part = time * time * (3 - 2 * time);
      this.look(mix(from.eye, end.eye, part), mix(from.target, end.target, part), mix(from.up, end.up, part));
    }
    return true;
  }
}

// The end of a flight to a photo.
function standOfPhoto(photo, distance) {
  const column = (n) => [photo.pose[n], photo.pose[4 + n], photo.pose[8 + n]];
  const eye = column(3);
  return { eye, target: add(eye, times(column(2), distance)), up: times(column(1), -1) };
}
