// What was heard and said, by the time of the conversation in seconds, and its pictures.

const STEP_S = 0.02; // of a column of sound
const MARKS = { interruption: "--alarm", robot_yielded: "--robot", backchannel: "--user" };

export class History {
  constructor() {
    this.user = [];
    this.robot = [];
    this.words = [];
    this.events = [];
  }

  get seconds() {
    return this.user.length * STEP_S;
  }

  // Samples of 20 ms of the person.
  hear(samples) {
    this.user.push(peak(samples));
  }

  // Samples of any number of the robot, heard from now on or after what it still says.
  say(samples, rate) {
    const size = Math.round(rate * STEP_S);
    while (this.robot.length < this.user.length) this.robot.push(0);
    for (let at = 0; at < samples.length; at += size) this.robot.push(peak(samples.subarray(at, at + size)));
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
}

const peak = (samples) => samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);

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
