// The order in which Gaussians are drawn, from the farthest to the nearest: in a worker, so that the page stays quick.

// The whole of the worker: its text is run on its own, so it uses nothing from outside of it.
function sorter(reply) {
  const BITS = 11;
  const DIGITS = 1 << BITS;
  let positions = new Float32Array(0);
  let drawn = null;

  // Keys are distances above 0 as the bits of a float, whose order is that of whole numbers: a radix sort in 3 passes.
  function sorted(eye, forward, near) {
    const count = positions.length / 3;
    let order = new Uint32Array(count);
    const distances = new Float32Array(count);
    const keys = new Uint32Array(distances.buffer);
    let kept = 0;
    for (let i = 0; i < count; i++) {
      if (drawn && !drawn[i]) continue;
      const distance =
        (positions[3 * i] - eye[0]) * forward[0] +
        (positions[3 * i + 1] - eye[1]) * forward[1] +
        (positions[3 * i + 2] - eye[2]) * forward[2];
      if (distance < near) continue;
      distances[i] = distance;
      order[kept++] = i;
    }
    order = order.subarray(0, kept);
    let other = new Uint32Array(kept);
    const starts = new Uint32Array(DIGITS);
    for (let shift = 0; shift < 32; shift += BITS) {
      starts.fill(0);
      for (let i = 0; i < kept; i++) starts[(keys[order[i]] >>> shift) & (DIGITS - 1)]++;
      let before = 0;
      for (let digit = DIGITS - 1; digit >= 0; digit--) {
        const many = starts[digit];
        starts[digit] = before;
        before += many;
      }
      for (let i = 0; i < kept; i++) other[starts[(keys[order[i]] >>> shift) & (DIGITS - 1)]++] = order[i];
      [order, other] = [other, order];
    }
    return order.slice();
  }

  return (message) => {
    if (message.positions) positions = message.positions;
    if ("drawn" in message) drawn = message.drawn;
    if (message.eye) reply(sorted(message.eye, message.forward, message.near));
  };
}

// Asks the sorter, one question at a time; of those that come meanwhile only the last one is asked.
class Sorting {
  constructor(positions, whenSorted) {
    this.whenSorted = whenSorted;
    this.waiting = null;
    this.busy = false;
    const reply = (order) => this.receive(order);
    try {
      const text = `const answer = (${sorter})((order) => postMessage(order, [order.buffer]));
        onmessage = (event) => answer(event.data);`;
      const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
      const worker = new Worker(address);
      worker.onmessage = (event) => reply(event.data);
      worker.onerror = () => this.useThisThread(positions, reply);
      this.tell = (message) => worker.postMessage(message);
    } catch {
      this.useThisThread(positions, reply);
    }
    this.tell({ positions });
  }

  // Where a browser has no worker for a file from the disk.
  useThisThread(positions, reply) {
    const answer = sorter((order) => setTimeout(() => reply(order)));
    answer({ positions, drawn: this.drawn ?? null });
    this.tell = answer;
    this.busy = false;
    if (this.asked) this.ask(this.asked);
  }

  draw(drawn) {
    this.drawn = drawn;
    this.tell({ drawn });
  }

  ask(question) {
    this.asked = question;
    if (this.busy) {
      this.waiting = question;
      return;
    }
    this.busy = true;
    this.tell(question);
  }

  receive(order) {
    this.busy = false;
    this.whenSorted(order);
    if (this.waiting) {
      const question = this.waiting;
      this.waiting = null;
      this.ask(question);
    }
  }
}
