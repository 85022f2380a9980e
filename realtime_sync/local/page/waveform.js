// What is heard, drawn: the user's sound above, the model's below, on the session's time.

import { put, seconds, several, status } from "./words.js";

const BLOCKS = 600; // seconds that have sound, each way
const COLUMNS = 50; // in a second
const LEFT = 46, TOP = 14, AXIS = 18, GAP = 14; // pixels
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600];

export class Waveform {
  constructor({ canvas, heard, at, span, live }) {
    Object.assign(this, { canvas, heard, at, span, live });
    this.hint = at.textContent;
    this.clear();
    span.addEventListener("input", () => this.changed());
    live.addEventListener("click", () => this.move(Infinity));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.held = { x: event.offsetX, from: this.range()[0] };
    });
    canvas.addEventListener("pointermove", (event) => this.point(event.offsetX));
    canvas.addEventListener("pointerup", () => (this.held = null));
    canvas.addEventListener("pointerleave", () => put(at, this.hint));
    new ResizeObserver(() => this.changed()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.changed());
  }

  clear() {
    this.input = new Map(); // second -> 50 levels
    this.output = new Map();
    this.spans = new Map();
    this.sounded = [0, 0];
    this.now = 0; // ms
    this.last = 0; // ms at which the last sound ends
    this.open = false;
    this.from = null; // ms at the left edge; null: the newest is at the right one
    this.held = null;
    this.changed();
  }

  take({ now, input, output, spans, sounded }, open) {
    this.open = open;
    this.now = now;
    for (const [lane, told] of [[this.input, input], [this.output, output]]) {
      for (const [second, levels] of Object.entries(told ?? {})) {
        lane.set(Number(second), Uint8Array.from(atob(levels), (sign) => sign.charCodeAt(0)));
      }
      while (lane.size > BLOCKS) lane.delete(Math.min(...lane.keys()));
    }
    for (const one of spans ?? []) this.spans.set(one.n, one);
    while (this.spans.size > 500) this.spans.delete(this.spans.keys().next().value);
    this.sounded = sounded ?? this.sounded;
    const heard = [...this.input, ...this.output].filter(([, levels]) => levels.some(Boolean));
    this.last = Math.max(0, ...heard.map(([second]) => (second + 1) * 1000));
    this.changed();
  }

  // Where the session ends so far, in ms: sound that came faster than it is heard counts.
  end() {
    return Math.max(1000, this.now, this.last);
  }

  range() {
    const end = this.end();
    const most = Number(this.span.value) * 1000 || end;
    const wide = Math.min(most, Math.max(10_000, end)); // a short one has all the room
    const from = this.from === null ? end - wide : this.from;
    const left = Math.max(0, Math.min(from, end - wide));
    return [left, left + wide];
  }

  move(from) {
    const [left, right] = this.range();
    const last = this.end() - (right - left);
    this.from = from >= last ? null : Math.max(0, from);
    this.changed();
  }

  key(event) {
    const [left, right] = this.range();
    const step = (right - left) / 10;
    const to = { ArrowLeft: left - step, ArrowRight: left + step, Home: 0, End: Infinity }[event.key];
    const zoom = { "+": -1, "=": -1, "-": 1 }[event.key];
    if (to === undefined && zoom === undefined) return;
    event.preventDefault();
    if (to !== undefined) return this.move(to);
    const choice = this.span.selectedIndex + zoom;
    this.span.selectedIndex = Math.max(0, Math.min(this.span.length - 1, choice));
    this.changed();
  }

  point(x) {
    const [left, right] = this.range();
    const each = (right - left) / (this.canvas.clientWidth - LEFT); // ms of a pixel
    if (this.held) return this.move(this.held.from - (x - this.held.x) * each);
    const at = Math.max(0, left + (x - LEFT) * each);
    const here = [...this.spans.values()].filter((one) => one.at <= at && at <= (one.until ?? this.end()));
    put(this.at, [seconds(at), ...here.map((one) => this.told(one))].join(" · "));
  }

  told(one) {
    const name = { speech: "speech of the user", truncated: "not heard: truncated" }[one.kind];
    const until = one.until === null ? "goes on" : `to ${seconds(one.until)}`;
    return `${name ?? `response ${status(one.note || "in progress")}`}, ${seconds(one.at)} ${until}`;
  }

  changed() {
    this.due ??= requestAnimationFrame(() => {
      this.due = null;
      this.draw();
    });
  }

  say() {
    const number = (kind) => [...this.spans.values()].filter((one) => one.kind === kind).length;
    const told = [`user ${seconds(this.sounded[0])}`, `model ${seconds(this.sounded[1])}`];
    if (number("speech")) told.push(several(number("speech"), "speech", "speeches"));
    if (number("response")) told.push(several(number("response"), "response"));
    if (number("truncated")) told.push(`${number("truncated")} truncated`);
    if (Math.max(...this.sounded) > BLOCKS * 1000) told.push("the last 10 min of sound are kept");
    put(this.heard, told.join(" · "));
    this.canvas.setAttribute("aria-label", `Waveforms: ${told.join(", ")}`);
    this.live.hidden = this.from === null;
  }

  draw() {
    this.say();
    const { canvas } = this;
    const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
    if (!wide || !high) return;
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(wide * scale);
    canvas.height = Math.round(high * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const [left, right] = this.range();
    const across = (ms) => LEFT + ((ms - left) / (right - left)) * (wide - LEFT);
    const tall = (high - TOP - AXIS - GAP) / 2;
    const lanes = [
      { name: "user", y: TOP, levels: this.input, colour: colour("user") },
      { name: "model", y: TOP + tall + GAP, levels: this.output, colour: colour("model") },
    ];
    const frame = { pen, wide, high, tall, left, right, across, colour, lanes };
    this.drawAxis(frame);
    this.drawBands(frame);
    for (const lane of lanes) this.drawLane(frame, lane);
    this.drawMarks(frame);
    this.drawNames(frame);
  }

  drawAxis({ pen, wide, high, left, right, across, colour }) {
    const step = 1000 * (STEPS.find((one) => (one * 1000 * wide) / (right - left) >= 64) ?? 7200);
    pen.fillStyle = colour("soft");
    pen.strokeStyle = colour("line");
    pen.textAlign = "center";
    for (let ms = Math.ceil(left / step) * step; ms <= right; ms += step) {
      const x = Math.round(across(ms)) + 0.5;
      line(pen, x, TOP - 4, high - AXIS + 3);
      const text = `${step < 1000 ? (ms / 1000).toFixed(1) : ms / 1000} s`;
      pen.fillText(text, Math.min(wide - pen.measureText(text).width / 2, x), high - 4);
    }
  }

  drawBands({ pen, tall, across, colour, lanes }) {
    for (const one of this.spans.values()) {
      const [x, end] = [across(one.at), across(one.until ?? this.end())];
      const lane = lanes[one.kind === "speech" ? 0 : 1];
      pen.fillStyle = colour(one.kind === "speech" ? "user-band" : "model-band");
      if (one.kind !== "truncated") pen.fillRect(x, lane.y, Math.max(1, end - x), tall);
    }
  }

  drawLane({ pen, wide, tall, left, right, colour }, { name, y, levels, colour: ink }) {
    const middle = y + tall / 2;
    pen.fillStyle = colour("line");
    pen.fillRect(LEFT, middle - 0.5, wide, 1);
    const cuts = name === "model" ? [...this.spans.values()].filter((one) => one.kind === "truncated") : [];
    const column = 1000 / COLUMNS;
    const each = (right - left) / column / (wide - LEFT); // columns in a pixel
    for (let x = LEFT; x < wide; x++) {
      const first = Math.floor(left / column + (x - LEFT) * each);
      const last = Math.max(first, Math.ceil(left / column + (x - LEFT + 1) * each) - 1);
      let loudest = 0;
      for (let n = first; n <= last; n++) {
        const block = levels.get(Math.floor(n / COLUMNS));
        if (block) loudest = Math.max(loudest, block[n % COLUMNS]);
      }
      if (!loudest) continue; // no sound there; silence is 1
      const ms = first * column;
      pen.fillStyle = cuts.some((one) => one.at <= ms && ms < one.until) ? colour("cut") : ink;
      // speech is mostly quiet: what is soft is to be seen, too
      const height = Math.max(1, (loudest / 255) ** 0.6 * (tall - 4));
      pen.fillRect(x, middle - height / 2, 1, height);
    }
  }

  // What is left of the axis belongs to the names.
  drawNames({ pen, high, tall, colour, lanes }) {
    pen.fillStyle = colour("card");
    pen.fillRect(0, 0, LEFT, high - AXIS);
    pen.textAlign = "left";
    for (const { name, y, colour: ink } of lanes) {
      pen.fillStyle = ink;
      pen.fillText(name, 0, y + tall / 2 + 4);
    }
  }

  drawMarks({ pen, wide, tall, across, colour, lanes }) {
    for (const one of this.spans.values()) {
      const lane = lanes[one.kind === "speech" ? 0 : 1];
      const ink = one.kind === "truncated" ? colour("bad") : lane.colour;
      pen.strokeStyle = pen.fillStyle = ink;
      pen.setLineDash(one.kind === "truncated" ? [4, 3] : []);
      const begins = Math.round(across(one.at)) + 0.5;
      line(pen, begins, lane.y - 2, lane.y + tall);
      const ends = one.until === null ? null : Math.round(across(one.until)) + 0.5;
      if (ends !== null && one.kind !== "truncated") line(pen, ends, lane.y - 2, lane.y + tall);
      pen.setLineDash([]);
      const room = (ends ?? wide) - begins;
      if (one.kind === "response") pen.fillRect(begins, lane.y - 3, Math.max(2, room), 2);
      pen.textAlign = "left";
      const text = one.kind === "response" ? status(one.note || "responding") : one.kind;
      const fits = one.kind === "truncated" || room > pen.measureText(text).width + 6;
      if (begins >= LEFT && begins < wide && fits) pen.fillText(text, begins + 4, lane.y + tall - 3);
    }
  }
}

function line(pen, x, from, to) {
  pen.beginPath();
  pen.moveTo(x, from);
  pen.lineTo(x, to);
  pen.stroke();
}
