// Gaussians on a canvas, with WebGL 2: each is a square that bounds its ellipse, drawn from back to front.
// The same projection, blur and limits as langfield.ops.gaussians, so that pictures are those of `langfield render`.

const BATCH = 512; // squares that are drawn as one instance: many small ones are slow
const ORDER_WIDTH = 2048; // texels

const VERTEX = `#version 300 es
#define BATCH ${BATCH}
#define ORDER_WIDTH ${ORDER_WIDTH}
precision highp float; precision highp int; precision highp sampler2D;
const float BLUR = 0.3;            // square pixels, on the diagonal of every covariance
const float NEAR_PLANE = 0.01;
const float MARGIN = 1.3;          // of half the field of view: farther out, the Jacobian is that of the edge
precision highp usampler2D;
uniform sampler2D gaussians, colours, overlay, harmonics;
uniform usampler2D order;          // numbers of Gaussians, from back to front
uniform mat3 cameraFromPage, worldFromPage;
uniform vec3 eye;
uniform vec2 size, colourEnds;
uniform float focal, harmonicsMost;
uniform int degree, count;
out vec2 place;                    // in standard deviations
out vec4 colour;                   // and opacity
ivec2 at(sampler2D data, int index) { int width = textureSize(data, 0).x; return ivec2(index % width, index / width); }
vec3 coefficient(int index) {
  return (texelFetch(harmonics, at(harmonics, index), 0).rgb * 255.0 - 128.0) / 127.0 * harmonicsMost;
}
vec3 fromThisSide(int index, vec3 d) {
  int first = index * ((degree + 1) * (degree + 1) - 1);
  float x = d.x, y = d.y, z = d.z, xx = x * x, yy = y * y, zz = z * z;
  vec3 sum = 0.4886025 * (-y * coefficient(first) + z * coefficient(first + 1) - x * coefficient(first + 2));
  if (degree > 1) {
    sum += 1.0925484 * (x * y * coefficient(first + 3) - y * z * coefficient(first + 4) - x * z * coefficient(first + 6))
      + 0.3153916 * (3.0 * zz - 1.0) * coefficient(first + 5) + 0.5462742 * (xx - yy) * coefficient(first + 7);
  }
  if (degree > 2) {
    sum += -0.5900436 * y * (3.0 * xx - yy) * coefficient(first + 8) + 2.8906114 * x * y * z * coefficient(first + 9)
      - 0.4570458 * y * (5.0 * zz - 1.0) * coefficient(first + 10) + 0.3731763 * z * (5.0 * zz - 3.0) * coefficient(first + 11)
      - 0.4570458 * x * (5.0 * zz - 1.0) * coefficient(first + 12) + 1.4453057 * z * (xx - yy) * coefficient(first + 13)
      - 0.5900436 * x * (xx - 3.0 * yy) * coefficient(first + 14);
  }
  return sum;
}
void main() {
  int rank = gl_InstanceID * BATCH + gl_VertexID / 4;
  gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
  if (rank >= count) return;
  int index = int(texelFetch(order, ivec2(rank % ORDER_WIDTH, rank / ORDER_WIDTH), 0).r);
  vec4 one = texelFetch(gaussians, at(gaussians, 3 * index), 0);
  vec4 two = texelFetch(gaussians, at(gaussians, 3 * index + 1), 0);
  vec4 three = texelFetch(gaussians, at(gaussians, 3 * index + 2), 0);
  mat3 covariance = mat3(two.x, two.y, two.z, two.y, two.w, three.x, two.z, three.x, three.y);
  vec3 local = cameraFromPage * (one.xyz - eye);
  if (local.z < NEAR_PLANE) return;
  vec2 plane = local.xy / local.z;
  vec2 farthest = MARGIN * 0.5 * size / focal;
  vec2 inside = clamp(plane, -farthest, farthest);
  mat3 rows = transpose(cameraFromPage);
  vec3 u = focal / local.z * (rows[0] - inside.x * rows[2]);
  vec3 v = focal / local.z * (rows[1] - inside.y * rows[2]);
  float xx = dot(u, covariance * u) + BLUR, xy = dot(u, covariance * v), yy = dot(v, covariance * v) + BLUR;
  float reach = sqrt(2.0 * log(255.0 * one.w));
  vec2 middle = plane * focal + 0.5 * size;
  vec2 far = reach * sqrt(vec2(xx, yy));
  if (any(lessThan(middle + far, vec2(0.0))) || any(greaterThan(middle - far, size))) return;
  float mean = 0.5 * (xx + yy), apart = length(vec2(0.5 * (xx - yy), xy));
  float longest = mean + apart, shortest = max(mean - apart, BLUR);
  vec2 axis = xx >= yy ? vec2(longest - yy, xy) : vec2(xy, longest - xx);
  axis = dot(axis, axis) > 0.0 ? normalize(axis) : vec2(1.0, 0.0);
  place = reach * (vec2(gl_VertexID & 1, gl_VertexID >> 1 & 1) * 2.0 - 1.0);
  vec2 pixel = middle + place.x * sqrt(longest) * axis + place.y * sqrt(shortest) * vec2(-axis.y, axis.x);
  gl_Position = vec4(2.0 * pixel.x / size.x - 1.0, 1.0 - 2.0 * pixel.y / size.y, 0.0, 1.0);
  vec3 own = mix(vec3(colourEnds.x), vec3(colourEnds.y), texelFetch(colours, at(colours, index), 0).rgb);
  if (degree > 0) own += fromThisSide(index, normalize(worldFromPage * (one.xyz - eye)));
  vec4 over = texelFetch(overlay, at(overlay, index), 0);
  colour = vec4(mix(max(own, 0.0), over.rgb, over.a), one.w);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec2 place;
in vec4 colour;
out vec4 blended;
void main() {
  float alpha = min(0.999, colour.a * exp(-0.5 * dot(place, place)));
  if (alpha < 1.0 / 255.0) discard;
  blended = vec4(colour.rgb * alpha, alpha);
}`;

const WHOLE = `#version 300 es
out vec2 place;
void main() {
  place = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0;
  gl_Position = vec4(place * 2.0 - 1.0, 0.0, 1.0);
}`;

const OVER_BACKGROUND = `#version 300 es
precision highp float;
uniform sampler2D picture;
uniform vec3 background;
in vec2 place;
out vec4 shown;
void main() {
  vec4 seen = texture(picture, place);
  shown = vec4(seen.rgb + (1.0 - seen.a) * background, 1.0);
}`;

class Renderer {
  // scene: {count, positions, covariances (6 each: xx xy xz yy yz zz), opacities, colours (bytes), colourEnds,
  //   harmonics (bytes) or null, harmonicsMost, degree, worldFromPageTurn (rows)}
  constructor(canvas, scene) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, powerPreference: "high-performance" });
    if (!gl) throw new Error("this browser cannot draw the scene: it has no WebGL 2");
    this.gl = gl;
    this.canvas = canvas;
    this.scene = scene;
    this.drawn = 0;
    this.precise = Boolean(gl.getExtension("EXT_color_buffer_float") || gl.getExtension("EXT_color_buffer_half_float"));
    this.splats = program(gl, VERTEX, FRAGMENT);
    this.onto = program(gl, WHOLE, OVER_BACKGROUND);
    this.upload();
    this.target = gl.createFramebuffer();
    this.picture = gl.createTexture();
    this.pictureSize = [0, 0];
    this.order = orderTexture(gl, scene.count);
    this.vertices = gl.createVertexArray();
    gl.bindVertexArray(this.vertices);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    const corners = Uint16Array.from({ length: 6 * BATCH }, (_, i) => 4 * Math.floor(i / 6) + [0, 1, 2, 2, 1, 3][i % 6]);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corners, gl.STATIC_DRAW);
    this.nothing = gl.createVertexArray();
  }

  upload() {
    const { gl, scene } = this;
    const each = new Float32Array(12 * scene.count);
    for (let i = 0; i < scene.count; i++) {
      each.set(scene.positions.subarray(3 * i, 3 * i + 3), 12 * i);
      each[12 * i + 3] = scene.opacities[i];
      each.set(scene.covariances.subarray(6 * i, 6 * i + 6), 12 * i + 4);
    }
    const colours = new Uint8Array(4 * scene.count);
    for (let i = 0; i < scene.count; i++) colours.set(scene.colours.subarray(3 * i, 3 * i + 3), 4 * i);
    this.textures = {
      gaussians: dataTexture(gl, gl.RGBA32F, gl.FLOAT, each),
      colours: dataTexture(gl, gl.RGBA8, gl.UNSIGNED_BYTE, colours),
      overlay: dataTexture(gl, gl.RGBA8, gl.UNSIGNED_BYTE, new Uint8Array(4 * scene.count)),
    };
    if (scene.degree) {
      const many = scene.harmonics.length / 3;
      const harmonics = new Uint8Array(4 * many);
      for (let i = 0; i < many; i++) harmonics.set(scene.harmonics.subarray(3 * i, 3 * i + 3), 4 * i);
      this.textures.harmonics = dataTexture(gl, gl.RGBA8, gl.UNSIGNED_BYTE, harmonics);
    }
  }

  setOverlay(bytes) {
    const { gl } = this;
    gl.deleteTexture(this.textures.overlay);
    this.textures.overlay = dataTexture(gl, gl.RGBA8, gl.UNSIGNED_BYTE, bytes);
  }

  setOrder(order) {
    const { gl } = this;
    this.drawn = order.length;
    const rows = Math.ceil(order.length / ORDER_WIDTH);
    const padded = new Uint32Array(rows * ORDER_WIDTH);
    padded.set(order);
    gl.bindTexture(gl.TEXTURE_2D, this.order);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, ORDER_WIDTH, rows, gl.RED_INTEGER, gl.UNSIGNED_INT, padded);
  }

  // share: of the canvas's pixels along each side that are drawn. background: three numbers in [0, 1].
  draw(camera, share, background) {
    const { gl, canvas, scene } = this;
    const width = Math.max(1, Math.round(canvas.width * share));
    const height = Math.max(1, Math.round(canvas.height * share));
    this.resize(width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.splats);
    const place = (name) => gl.getUniformLocation(this.splats, name);
    Object.entries({ ...this.textures, order: this.order }).forEach(([name, texture], unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.uniform1i(place(name), unit);
    });
    const { right, down, forward, eye } = camera;
    gl.uniformMatrix3fv(place("cameraFromPage"), true, [...right, ...down, ...forward]);
    gl.uniformMatrix3fv(place("worldFromPage"), true, scene.worldFromPageTurn);
    gl.uniform3fv(place("eye"), eye);
    gl.uniform2f(place("size"), width, height);
    gl.uniform2fv(place("colourEnds"), scene.colourEnds);
    gl.uniform1f(place("focal"), camera.focal(width, height));
    gl.uniform1f(place("harmonicsMost"), scene.harmonicsMost);
    gl.uniform1i(place("degree"), scene.degree);
    gl.uniform1i(place("count"), this.drawn);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.bindVertexArray(this.vertices);
    gl.drawElementsInstanced(gl.TRIANGLES, 6 * BATCH, gl.UNSIGNED_SHORT, 0, Math.ceil(this.drawn / BATCH));
    gl.disable(gl.BLEND);

    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.useProgram(this.onto);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.picture);
    gl.uniform1i(gl.getUniformLocation(this.onto, "picture"), 0);
    gl.uniform3fv(gl.getUniformLocation(this.onto, "background"), background);
    gl.bindVertexArray(this.nothing);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  // Calls back when what was asked of the graphics card is done.
  whenDone(callback) {
    const { gl } = this;
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    const look = () => {
      const status = fence && !gl.isContextLost() ? gl.clientWaitSync(fence, 0, 0) : gl.CONDITION_SATISFIED;
      if (status === gl.TIMEOUT_EXPIRED) {
        setTimeout(look, 2);
      } else {
        gl.deleteSync(fence);
        callback();
      }
    };
    setTimeout(look, 0);
  }

  // Half floats where the browser can: with bytes, what is faint would be rounded away layer by layer.
  resize(width, height) {
    if (this.pictureSize[0] === width && this.pictureSize[1] === height) return;
    const { gl } = this;
    this.pictureSize = [width, height];
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.picture);
    if (this.precise) gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA16F, width, height, 0, gl.RGBA, gl.HALF_FLOAT, null);
    else gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, null);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    for (const way of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, way, gl.LINEAR);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.picture, 0);
    if (this.precise && gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) {
      this.precise = false;
      this.pictureSize = [0, 0];
      this.resize(width, height);
    }
  }
}

// Covariances R S Sᵀ Rᵀ of Gaussians with rotations (unit quaternions wxyz) R and standard deviations S.
function covariancesOf(rotations, logScales) {
  const count = logScales.length / 3;
  const out = new Float32Array(6 * count);
  for (let i = 0; i < count; i++) {
    let [w, x, y, z] = rotations.subarray(4 * i, 4 * i + 4);
    const norm = Math.hypot(w, x, y, z) || 1;
    [w, x, y, z] = [w / norm, x / norm, y / norm, z / norm];
    const axes = [
      [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
      [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
      [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
    ];
    for (let k = 0; k < 3; k++) {
      const variance = Math.exp(2 * logScales[3 * i + k]);
      const [a, b, c] = axes[k];
      out[6 * i] += variance * a * a;
      out[6 * i + 1] += variance * a * b;
      out[6 * i + 2] += variance * a * c;
      out[6 * i + 3] += variance * b * b;
      out[6 * i + 4] += variance * b * c;
      out[6 * i + 5] += variance * c * c;
    }
  }
  return out;
}

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) throw new Error(gl.getShaderInfoLog(shader));
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(made));
  return made;
}

// Four numbers a texel, row after row as wide as this machine can.
function dataTexture(gl, format, type, values) {
  const texels = values.length / 4;
  const width = Math.min(gl.getParameter(gl.MAX_TEXTURE_SIZE), 4096);
  const height = Math.max(1, Math.ceil(texels / width));
  const padded = new values.constructor(4 * width * height);
  padded.set(values);
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, format, width, height, 0, gl.RGBA, type, padded);
  for (const way of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, way, gl.NEAREST);
  return texture;
}

function orderTexture(gl, count) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R32UI, ORDER_WIDTH, Math.max(1, Math.ceil(count / ORDER_WIDTH)));
  for (const way of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, way, gl.NEAREST);
  return texture;
}
