// Reads the page's data blocks: plain JSON, and arrays of small numbers between two ends.

const BYTES = { u1: Uint8Array, u2: Uint16Array, f4: Float32Array };

function readContents() {
  return JSON.parse(document.getElementById("contents").textContent);
}

// The page's arrays by name: floats where an array has ends, bytes otherwise and where `raw` names it.
async function readArrays(entries, raw) {
  const block = document.getElementById("data");
  const buffer = await unzipped(bytesOfBase64(block.textContent));
  block.remove();
  const arrays = {};
  for (const entry of entries) {
    const count = entry.shape.reduce((product, side) => product * side, 1);
    const numbers = new BYTES[entry.type](buffer, entry.offset, count);
    arrays[entry.name] = "high" in entry && !raw.includes(entry.name) ? spread(numbers, entry) : numbers;
  }
  return arrays;
}

function bytesOfBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < characters.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

function unzipped(bytes) {
  if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old: it cannot unpack the page");
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

function spread(numbers, { low, high }) {
  const step = (high - low) / (2 ** (8 * numbers.BYTES_PER_ELEMENT) - 1);
  const values = new Float32Array(numbers.length);
  for (let i = 0; i < numbers.length; i++) values[i] = low + step * numbers[i];
  return values;
}
