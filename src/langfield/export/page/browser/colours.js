// What is laid over each Gaussian's own colour: a colour and how much of it, as bytes; and which ones are drawn at all.
// The same rules as in langfield's viewer.

const DIMMED = 0.4; // how much black is over what was not found

class Painter {
  constructor({ relevancy, hits, count, colours }) {
    this.relevancy = relevancy; // bytes, phrase after phrase
    this.hits = hits; // likewise: the number of the hit, from 1; 0 for none
    this.count = count;
    this.colours = colours;
    this.overlay = new Uint8Array(4 * count);
    this.drawn = new Uint8Array(count);
    this.ramp = Uint8Array.from({ length: 256 * 3 }, (_, i) => this.turbo(Math.floor(i / 3) / 255)[i % 3]);
  }

  turbo(value) {
    const channel = (c) => c.reduceRight((sum, factor) => sum * value + factor, 0);
    return this.colours.turbo.map((c) => Math.round(255 * Math.min(1, Math.max(0, channel(c)))));
  }

  // Fills `overlay` and `drawn`. state.on: [{number, colour}] of the phrases that are on.
  paint(state) {
    this.overlay.fill(0);
    this.drawn.fill(1);
    if (!state.on.length) return;
    if (state.layer === "Relevancy") this.paintRelevancy(state.shown, state.opacity, state.threshold);
    if (state.layer === "Composited") this.paintFound(state.on, state.opacity);
    if (state.hide !== "Nothing") {
      const shown = state.hide === "Scene" ? 1 : 0;
      this.drawn.fill(1 - shown);
      for (const { number } of state.on) {
        const first = number * this.count;
        for (let i = 0; i < this.count; i++) if (this.hits[first + i]) this.drawn[i] = shown;
      }
    }
  }

  paintRelevancy(number, opacity, threshold) {
    const { overlay, ramp, relevancy } = this;
    const [inside, outside] = [Math.round(255 * opacity), Math.round(255 * DIMMED)];
    const first = number * this.count;
    for (let i = 0; i < this.count; i++) {
      const value = relevancy[first + i];
      if (value < 255 * threshold) {
        overlay[4 * i + 3] = outside;
      } else {
        overlay.set(ramp.subarray(3 * value, 3 * value + 3), 4 * i);
        overlay[4 * i + 3] = inside;
      }
    }
  }

  // One phrase by its relevancy, stretched over what was found; of several each in its colour, the most relevant wins.
  paintFound(on, opacity) {
    const { overlay, ramp, relevancy, hits } = this;
    const [inside, outside] = [Math.round(255 * opacity), Math.round(255 * DIMMED)];
    const [low, high] = on.length === 1 ? this.span(on[0].number) : [0, 255];
    for (let i = 0; i < this.count; i++) {
      let best = null;
      let most = -1;
      for (const phrase of on) {
        const at = phrase.number * this.count + i;
        if (hits[at] && relevancy[at] > most) [best, most] = [phrase, relevancy[at]];
      }
      overlay[4 * i + 3] = best ? inside : outside;
      if (!best) continue;
      const heat = Math.round((255 * (most - low)) / Math.max(high - low, 1));
      overlay.set(on.length === 1 ? ramp.subarray(3 * heat, 3 * heat + 3) : best.colour, 4 * i);
    }
  }

  // From the decision, or the lowest relevancy of what was found if that is less, to the highest, in bytes.
  span(number) {
    let low = 255 * this.colours.decision;
    let high = 0;
    for (let i = number * this.count; i < (number + 1) * this.count; i++) {
      if (!this.hits[i]) continue;
      low = Math.min(low, this.relevancy[i]);
      high = Math.max(high, this.relevancy[i]);
    }
    return [low, Math.max(high, low)];
  }
}
