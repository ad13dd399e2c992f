// Draws the scene of viewer.py by WebGL. The slider of frames sets `shown`.
const canvas = element.querySelector("canvas");
const gl = canvas.getContext("webgl2", { preserveDrawingBuffer: true, antialias: true });
const state = { scene: null, turn: 0.35, tilt: 0.1, sway: true, started: performance.now() };

const shader = (kind, text) => {
  const made = gl.createShader(kind);
  gl.shaderSource(made, text);
  gl.compileShader(made);
  return made;
};
const program = gl.createProgram();
gl.attachShader(program, shader(gl.VERTEX_SHADER, `#version 300 es
  in vec3 point; in vec3 color; uniform float turn, tilt, aspect;
  out vec3 place; out vec3 shade;
  void main() {
    float a = cos(turn), b = sin(turn), c = cos(tilt), d = sin(tilt);
    vec3 p = point / 15000.0;
    p = vec3(a * p.x + b * p.z, p.y, a * p.z - b * p.x);
    p = vec3(p.x, c * p.y - d * p.z, d * p.y + c * p.z);
    place = p; shade = color;
    gl_Position = vec4(p.x / aspect * 0.95, p.y * 0.95, -p.z * 0.3, 1.0);
  }`));
gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `#version 300 es
  precision highp float; in vec3 place; in vec3 shade; out vec4 seen;
  void main() {
    vec3 n = normalize(cross(dFdx(place), dFdy(place)));
    float light = 0.35 + 0.65 * max(dot(n, normalize(vec3(0.3, 0.4, 0.9))), 0.0);
    seen = vec4(pow(shade, vec3(0.8)) * light * 1.15, 1.0);
  }`));
gl.linkProgram(program);
gl.useProgram(program);
gl.enable(gl.DEPTH_TEST);

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
const put = (name, data, type, normal) => {
  const at = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(at);
  gl.vertexAttribPointer(at, 3, type, normal, 0, 0);
};

const load = () => {
  state.scene = JSON.parse(props.value || "null");
  if (!state.scene) return;
  let faces = null;
  for (const frame of state.scene.frames) {
    frame.points = new Int16Array(bytes(frame.points));
    faces = frame.faces = frame.faces ? new Uint32Array(bytes(frame.faces)) : faces;
  }
  const colors = new Uint8Array(bytes(state.scene.colors));
  for (const frame of state.scene.frames) {
    frame.colors = colors.length === frame.points.length
      ? colors : new Uint8Array(frame.points.length).fill(184);
  }
  show(state.scene.shown);
};

const show = (number) => {
  if (!state.scene) return;
  const numbers = state.scene.numbers;
  const far = numbers.map((n) => Math.abs(n - number));
  const at = far.indexOf(Math.min(...far));
  const frame = state.scene.frames[at];
  put("point", frame.points, gl.SHORT, false);
  put("color", frame.colors, gl.UNSIGNED_BYTE, true);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, frame.faces, gl.STATIC_DRAW);
  state.count = frame.faces.length;
  canvas.dataset.frame = numbers[at];
};

const draw = (now) => {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth * ratio, height = canvas.clientHeight * ratio;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  gl.viewport(0, 0, width, height);
  gl.clearColor(0.933, 0.941, 0.953, 1);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  if (state.scene && state.count) {
    const swing = state.sway ? 0.5 * Math.sin((now - state.started) / 1400) : state.turn;
    gl.uniform1f(gl.getUniformLocation(program, "turn"), swing);
    gl.uniform1f(gl.getUniformLocation(program, "tilt"), state.tilt);
    gl.uniform1f(gl.getUniformLocation(program, "aspect"), width / height);
    gl.drawElements(gl.TRIANGLES, state.count, gl.UNSIGNED_INT, 0);
  }
  requestAnimationFrame(draw);
};

let held = null;
canvas.addEventListener("pointerdown", (e) => {
  held = [e.clientX, e.clientY, state.turn, state.tilt];
  state.sway = false;
  canvas.setPointerCapture(e.pointerId);
});
canvas.addEventListener("pointermove", (e) => {
  if (!held) return;
  state.turn = held[2] + (e.clientX - held[0]) / 150;
  state.tilt = Math.max(-1.5, Math.min(1.5, held[3] + (e.clientY - held[1]) / 150));
});
canvas.addEventListener("pointerup", () => { held = null; });
window.addEventListener("smile-frame", (e) => show(e.detail));
watch("value", load);
load();
requestAnimationFrame(draw);
