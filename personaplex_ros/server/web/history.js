// What was heard and said, by the time of the conversation in seconds, and its pictures.

import { toInt16 } from "./line.js";

const STEP_S = 0.02; // of a column of sound
const MARKS = { interruption: "--alarm", robot_yielded: "--robot", backchannel: "--user" };

export class History {
  constructor() {
    this.user = [];
    this.robot = [];
    this.words = [];
    this.events = [];
    this.sound = null; // both sides, where somebody has agreed to it
  }

  get seconds() {
    return this.user.length * STEP_S;
  }

  keepSound() {
    this.sound = { user: [], robot: [] };
  }

  // Samples of 20 ms of the person.
  hear(samples) {
    this.user.push(peak(samples));
    if (this.sound) this.sound.user.push(samples);
  }

  // Samples of any number of the robot, heard from now on or after what it still says.
  say(samples, rate) {
    const size = Math.round(rate * STEP_S);
    while (this.robot.length < this.user.length) this.fill(size);
    for (let at = 0; at < samples.length; at += size) {
      const part = samples.subarray(at, at + size);
      this.robot.push(peak(part));
      if (this.sound) this.sound.robot.push(part);
    }
  }

  fill(size) {
    this.robot.push(0);
    if (this.sound) this.sound.robot.push(new Float32Array(size));
  }

  // Draw from a time to another, with words if there is room for them.
  draw(canvas, from, to, withWords) {
    const scale = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== width * scale || canvas.height !== height * scale) {
      canvas.width = width * scale;
      canvas.height = height * scale;
    }
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name);
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = colour("--lane");
    pen.fillRect(0, 0, width, height);
    const x = (second) => ((second - from) / (to - from)) * width;
    const middle = height / 2;
    this.lane(pen, this.user, x, from, to, middle - 3, -1, middle - 22, colour("--user"));
    this.lane(pen, this.robot, x, from, to, middle + 3, 1, middle - 22, colour("--robot"));
    for (const event of this.events) {
      if (event.at >= from && event.at <= to && MARKS[event.kind]) {
        mark(pen, event.kind, x(event.at), 11, colour(MARKS[event.kind]));
      }
    }
    if (!withWords) return;
    pen.fillStyle = colour("--ink");
    pen.font = "12px system-ui, sans-serif";
    let end = -Infinity;
    for (const word of this.words) {
      const text = word.piece.trim(), left = Math.max(x(word.at), word.piece.startsWith(" ") ? end + 4 : end);
      if (word.at < from - 2) continue;
      pen.fillText(text, left, height - 6);
      end = left + pen.measureText(text).width;
    }
  }

  lane(pen, levels, x, from, to, base, side, most, colour) {
    pen.fillStyle = colour;
    const first = Math.max(0, Math.floor(from / STEP_S));
    const last = Math.min(levels.length, Math.ceil(to / STEP_S));
    const pixel = Math.max(1, Math.floor((last - first) / Math.max(1, x(last * STEP_S) - x(first * STEP_S))));
    for (let at = first; at < last; at += pixel) {
      let level = 0;
      for (let one = at; one < Math.min(last, at + pixel); one++) level = Math.max(level, levels[one]);
      const tall = Math.max(0.5, most * Math.min(1, Math.sqrt(level)));
      const wide = Math.max(1, x((at + pixel) * STEP_S) - x(at * STEP_S));
      pen.fillRect(x(at * STEP_S), side > 0 ? base : base - tall, wide, tall);
    }
  }

  // The recording as a WAV file of two channels, 16 bits.
  wave(rate) {
    const user = toInt16(joined(this.sound.user)), robot = toInt16(joined(this.sound.robot));
    const count = Math.max(user.length, robot.length);
    const view = new DataView(new ArrayBuffer(44 + 4 * count));
    const write = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
    write(0, "RIFF");
    view.setUint32(4, 36 + 4 * count, true);
    write(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    [1, 2].forEach((value, i) => view.setUint16(20 + 2 * i, value, true));
    [rate, 4 * rate].forEach((value, i) => view.setUint32(24 + 4 * i, value, true));
    [4, 16].forEach((value, i) => view.setUint16(32 + 2 * i, value, true));
    write(36, "data");
    view.setUint32(40, 4 * count, true);
    for (let at = 0; at < count; at++) {
      view.setInt16(44 + 4 * at, user[at] ?? 0, true);
      view.setInt16(46 + 4 * at, robot[at] ?? 0, true);
    }
    return new Blob([view.buffer], { type: "audio/wav" });
  }
}

const peak = (samples) => samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);

const joined = (parts) => {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

const mark = (pen, kind, x, y, colour) => {
  pen.fillStyle = pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.beginPath();
  if (kind === "backchannel") {
    pen.arc(x, y, 4, 0, 2 * Math.PI);
    pen.stroke();
    return;
  }
  const points = kind === "interruption" ? [[-6, -5], [6, -5], [0, 6]] : [[0, -6], [6, 0], [0, 6], [-6, 0]];
  for (const [dx, dy] of points) pen.lineTo(x + dx, y + dy);
  pen.fill();
};
