"use strict";
(() => {
  const recording = JSON.parse(document.getElementById("recording").textContent);
  const { words, heard, marks, hold, speaking, extent_s: extent } = recording;
  const byId = (id) => document.getElementById(id);
  const detail = byId("detail"), overview = byId("overview"), play = byId("play");
  const audio = new Audio();

  // ---- data ----

  function bytes(base64) {
    const text = atob(base64), array = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) array[i] = text.charCodeAt(i);
    return array;
  }
  // Lowest, highest and root mean square of each bin, as parts (-127..127) of the lane's level.
  function envelope(packed) {
    const values = new Int8Array(bytes(packed).buffer), count = values.length / 3;
    return { low: values.subarray(0, count), high: values.subarray(count, 2 * count), rms: values.subarray(2 * count) };
  }
  const waves = { user: envelope(recording.user), robot: envelope(recording.robot) };
  const binsPerSecond = waves.user.low.length / recording.duration_s;
  // A word without an end is taken to last as long as a short word does.
  const wordEnd = (word) => word.end_s ?? word.start_s + 0.4;
  function clock(s) {
    const tenths = Math.round(s * 10);
    return `${Math.floor(tenths / 600)}:${(tenths % 600 / 10).toFixed(1).padStart(4, "0")}`;
  }
  const label = (kind) => kind.replaceAll("_", " ");

  audio.src = URL.createObjectURL(new Blob([bytes(recording.audio)], { type: recording.audio_type }));
  audio.addEventListener("error", () => {
    byId("problem").textContent = `This browser cannot play ${recording.audio_type}; the timeline below still shows everything.`;
    byId("problem").hidden = false;
  });

  let now = 0;
  function seek(s) {
    now = Math.min(Math.max(s, 0), recording.duration_s);
    audio.currentTime = now;
    show();
  }

  // ---- drawing ----

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["paper", "lane", "rule", "ink", "quiet", "user", "robot", "alarm", "hold", "cursor"];
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }
  const font = (size, weight = 400) => `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  const flags = { interruption: "alarm", robot_yielded: "robot", backchannel: "user" };
  const isEdge = (kind) => /^(user|robot)_(started|stopped)$/.test(kind);

  function prepare(canvas) {
    const ratio = window.devicePixelRatio || 1, box = canvas.getBoundingClientRect();
    const width = Math.round(box.width * ratio), height = Math.round(box.height * ratio);
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, box.width, box.height);
    return { pen, width: box.width, height: box.height, ratio };
  }

  function drawWave(sheet, wave, colour, scale, top, height, ghost = 0.45) {
    const { pen, width, ratio } = sheet, middle = top + height / 2, half = height / 2 / 127, step = 1 / ratio;
    const end = Math.min(width, scale.x(recording.duration_s));
    pen.fillStyle = colour;
    for (const [low, high, alpha] of [[wave.low, wave.high, ghost], [null, wave.rms, 1]]) {
      pen.globalAlpha = alpha;
      pen.beginPath();
      for (let x = Math.max(0, scale.x(0)); x < end; x += step) {
        const first = Math.max(0, Math.floor(scale.s(x) * binsPerSecond));
        const last = Math.min(wave.high.length, Math.max(first + 1, Math.floor(scale.s(x + step) * binsPerSecond)));
        let lowest = 127, highest = -127;
        for (let bin = first; bin < last; bin++) {
          highest = Math.max(highest, high[bin]);
          lowest = Math.min(lowest, low ? low[bin] : -high[bin]);
        }
        if (highest > lowest) pen.rect(x, middle - highest * half, step, (highest - lowest) * half);
      }
      pen.fill();
    }
    pen.globalAlpha = 1;
    pen.fillRect(Math.max(0, scale.x(0)), middle - 0.25, end - Math.max(0, scale.x(0)), 0.5);
  }

  function drawShape(pen, kind, x, y, colour, paper) {
    pen.beginPath();
    if (kind === "interruption") { pen.moveTo(x - 5, y - 4); pen.lineTo(x + 5, y - 4); pen.lineTo(x, y + 5); }
    else if (kind === "robot_yielded") { pen.moveTo(x, y - 5); pen.lineTo(x + 5, y); pen.lineTo(x, y + 5); pen.lineTo(x - 5, y); }
    else if (kind === "backchannel") pen.arc(x, y, 4, 0, 7);
    else pen.rect(x - 3.5, y - 3.5, 7, 7);
    pen.closePath();
    const filled = kind === "interruption" || kind === "robot_yielded";
    pen.fillStyle = filled ? colour : paper;
    pen.strokeStyle = colour;
    pen.lineWidth = 1.6;
    pen.fill();
    if (!filled) pen.stroke();
  }

  // Word lines depend on the width of text alone, so they are found once for each scale and font.
  let lines = { key: "" };
  function wordLines(pen, perSecond) {
    const key = `${perSecond} ${pen.font}`;
    if (lines.key === key) return lines;
    const ends = [];
    const level = words.map((word) => {
      const left = word.start_s * perSecond;
      let line = ends.findIndex((end) => end + 4 <= left);
      if (line < 0) line = ends.length < 3 ? ends.length : -1;
      if (line >= 0) ends[line] = left + pen.measureText(word.text).width;
      return line;
    });
    lines = { key, level };
    return lines;
  }

  const FLAGS = 44, WAVE = 64, STRIP = 12, WORDS = 54, HOLD = 10;
  let view = { x: () => 0, s: () => 0 };

  function drawDetail(colour) {
    const sheet = prepare(detail), { pen, width } = sheet;
    const perSecond = Math.min(240, Math.max(130, width / extent));
    const window_s = width / perSecond;
    const start = Math.max(0, Math.min(now - 0.4 * window_s, extent - window_s));
    view = { x: (s) => (s - start) * perSecond, s: (x) => start + x / perSecond };
    const seen = (a, b) => view.x(b) >= -200 && view.x(a) <= width + 20;
    const end = Math.min(width, view.x(recording.duration_s));
    const tops = { user: FLAGS + STRIP, robot: FLAGS + 2 * STRIP + WAVE };
    for (const side of ["user", "robot"]) {
      const top = tops[side];
      pen.fillStyle = colour.lane;
      pen.fillRect(0, top, end, WAVE);
      pen.globalAlpha = 0.15;
      pen.fillStyle = colour[side];
      for (const [a, b] of speaking[side]) if (seen(a, b)) pen.fillRect(view.x(a), top, view.x(b) - view.x(a), WAVE);
      pen.globalAlpha = 1;
      drawWave(sheet, waves[side], colour[side], view, top, WAVE);
      pen.fillStyle = colour[side];
      for (const mark of marks) {
        if (!isEdge(mark.kind) || !mark.kind.startsWith(side) || !seen(mark.onset_s, mark.onset_s)) continue;
        const x = view.x(mark.onset_s), y = top - 8.5;
        pen.beginPath();
        if (mark.kind.endsWith("started")) { pen.moveTo(x, y); pen.lineTo(x + 6.5, y + 3.25); pen.lineTo(x, y + 6.5); }
        else pen.rect(x - 6, y, 6, 6);
        pen.fill();
      }
    }
    const bottom = tops.robot + WAVE;
    pen.textBaseline = "middle";
    drawWords(pen, colour, bottom, perSecond, seen);
    drawFlags(pen, colour, bottom, seen);
    pen.fillStyle = colour.hold;
    for (const [a, b] of hold) if (seen(a, b)) { pen.beginPath(); pen.roundRect(view.x(a), bottom + WORDS, view.x(b) - view.x(a), 6, 3); pen.fill(); }
    drawAxis(pen, colour, bottom + WORDS + HOLD, width, start, perSecond);
    pen.fillStyle = colour.cursor;
    pen.fillRect(view.x(now) - 0.75, FLAGS - 4, 1.5, bottom + WORDS + HOLD - FLAGS + 8);
  }

  function drawWords(pen, colour, top, perSecond, seen) {
    pen.font = font(12.5);
    const { level } = wordLines(pen, perSecond);
    words.forEach((word, index) => {
      if (!seen(word.start_s, wordEnd(word))) return;
      const x = view.x(word.start_s), current = index === currentWord();
      pen.fillStyle = colour.robot;
      pen.fillRect(x, top, 1, 4);
      if (level[index] < 0) return;
      const y = top + 13 + 16 * level[index];
      if (current) { pen.beginPath(); pen.roundRect(x - 3, y - 8.5, pen.measureText(word.text).width + 6, 16, 4); pen.fill(); }
      pen.fillStyle = current ? colour.paper : colour.ink;
      pen.fillText(word.text, x, y);
    });
  }

  // Each flag stands above all that begin within its label, so labels and stems never cross.
  function drawFlags(pen, colour, bottom, seen) {
    pen.font = font(12);
    const shown = marks.filter((mark) => !isEdge(mark.kind) && seen(mark.onset_s, mark.onset_s));
    const levels = [];
    for (let i = shown.length - 1; i >= 0; i--) {
      const reach = view.x(shown[i].onset_s) + pen.measureText(label(shown[i].kind)).width + 24;
      levels[i] = 0;
      for (let j = i + 1; j < shown.length; j++)
        if (view.x(shown[j].onset_s) < reach) levels[i] = Math.max(levels[i], levels[j] + 1);
    }
    shown.forEach((mark, index) => {
      const ink = colour[flags[mark.kind] ?? "quiet"], x = view.x(mark.onset_s);
      const foot = FLAGS - 20 * Math.min(levels[index], 1), y = foot - 11;
      pen.fillStyle = ink;
      pen.fillRect(x - 0.5, y, 1, bottom - y);
      pen.fillRect(x, foot - 1, view.x(mark.decided_s) - x, 1);
      drawShape(pen, mark.kind, x, y, ink, colour.paper);
      pen.fillStyle = ink;
      if (levels[index] < 2) pen.fillText(label(mark.kind), x + 9, y + 0.5);
    });
  }

  function drawAxis(pen, colour, y, width, start, perSecond) {
    pen.fillStyle = colour.quiet;
    pen.font = font(11);
    pen.textAlign = "center";
    pen.fillRect(0, y, Math.min(width, view.x(extent)), 1);
    for (let s = Math.ceil(start); s <= Math.min(extent, start + width / perSecond); s++) {
      pen.fillRect(view.x(s), y, 1, 4);
      if (view.x(s) > 8 && view.x(s) < width - 8) pen.fillText(String(s), view.x(s), y + 13);
    }
    pen.textAlign = "start";
  }

  let overviewScale = { s: () => 0 };
  function drawOverview(colour) {
    const sheet = prepare(overview), { pen, width, height } = sheet, half = height / 2;
    const scale = { x: (s) => s / extent * width, s: (x) => x / width * extent };
    overviewScale = scale;
    pen.fillStyle = colour.lane;
    pen.fillRect(0, 0, width, height);
    drawWave(sheet, waves.user, colour.user, scale, 1, half - 2);
    drawWave(sheet, waves.robot, colour.robot, scale, half + 1, half - 2);
    for (const mark of marks) {
      if (isEdge(mark.kind)) continue;
      pen.fillStyle = colour[flags[mark.kind] ?? "quiet"];
      pen.fillRect(scale.x(mark.onset_s) - 0.5, 0, 1, height);
    }
    const left = scale.x(view.s(0)), right = scale.x(Math.min(extent, view.s(width)));
    pen.globalAlpha = 0.6;
    pen.fillStyle = colour.paper;
    pen.fillRect(0, 0, left, height);
    pen.fillRect(right, 0, width - right, height);
    pen.globalAlpha = 1;
    pen.fillStyle = colour.cursor;
    pen.fillRect(scale.x(now) - 0.75, 0, 1.5, height);
  }

  // ---- lists ----

  function element(tag, className, text) {
    const made = document.createElement(tag);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }
  function seekButton(className, s, text) {
    const button = element("button", className, text);
    button.type = "button";
    button.addEventListener("click", (event) => {
      seek(s);
      if (event.detail > 0) button.blur(); // after a mouse click, space should play and pause
    });
    return button;
  }

  const wordButtons = words.map((word) => seekButton("word", word.start_s, word.text));
  function fillTranscript() {
    const toCome = [...heard];
    let line = null, last = -Infinity;
    function begin(side, s) {
      const row = byId("transcript").appendChild(element("div", `utterance ${side}`));
      row.append(element("span", "time", clock(s)), (line = element("p", "")));
    }
    // What the person says before a time has a row of its own, and so has what the robot says after it.
    function tellUser(until) {
      while (toCome.length && toCome[0].start_s <= until) {
        const said = toCome.shift();
        begin("user", said.start_s);
        line.append(element("span", "who", "User: "), seekButton("word", said.start_s, said.text));
        last = -Infinity;
      }
    }
    if (heard.length) byId("said").textContent = "What was said";
    words.forEach((word, index) => {
      tellUser(word.start_s);
      if (word.start_s - last > 1.2) begin("robot", word.start_s);
      line.append(wordButtons[index], " ");
      last = word.end_s ?? word.start_s;
    });
    tellUser(Infinity);
    if (!words.length) byId("transcript").append(element("p", "empty", "The robot said nothing."));
  }

  const eventButtons = marks.map((mark) => {
    const button = seekButton(`event ${mark.kind}`, mark.onset_s);
    const late = mark.decided_s - mark.onset_s;
    button.append(element("span", "time", clock(mark.onset_s)), element("i", "shape"),
      element("span", "name", label(mark.kind)), element("span", "after", late > 0 ? `decided ${late.toFixed(2)} s later` : ""));
    return button;
  });
  function fillEvents() {
    for (const button of eventButtons) byId("events").appendChild(element("li", "")).append(button);
    if (!marks.length) byId("events").append(element("li", "empty", "Nothing happened between the two."));
  }

  function currentWord() {
    let found = -1;
    words.forEach((word, index) => { if (word.start_s <= now && now < wordEnd(word)) found = index; });
    return found;
  }
  function currentEvent() {
    let found = -1;
    marks.forEach((mark, index) => { if (mark.onset_s <= now) found = index; });
    return found;
  }
  function highlight(buttons, index) {
    buttons.forEach((button, i) => button.classList.toggle("now", i === index));
    const list = buttons[index]?.closest(".list");
    if (!list || audio.paused) return;
    const button = buttons[index], top = button.getBoundingClientRect().top - list.getBoundingClientRect().top;
    if (top < 0 || top > list.clientHeight - 30) list.scrollTop += top - list.clientHeight / 2;
  }

  // ---- life ----

  let shownWord = -2, shownEvent = -2;
  function show() {
    const colour = colours(), word = currentWord(), event = currentEvent();
    drawDetail(colour);
    drawOverview(colour);
    if (word !== shownWord) highlight(wordButtons, (shownWord = word));
    if (event !== shownEvent) highlight(eventButtons, (shownEvent = event));
    byId("clock").textContent = `${clock(now)} / ${clock(recording.duration_s)}`;
    overview.setAttribute("aria-valuenow", now.toFixed(1));
    overview.setAttribute("aria-valuetext", clock(now));
  }
  function follow() {
    now = Math.min(audio.currentTime, recording.duration_s);
    show();
    if (!audio.paused) requestAnimationFrame(follow);
  }
  function toggle() {
    if (!audio.paused) audio.pause();
    else audio.play().catch(() => {}); // the error event has told why
  }

  audio.addEventListener("play", () => { play.classList.add("playing"); play.setAttribute("aria-label", "Pause"); follow(); });
  audio.addEventListener("pause", () => { play.classList.remove("playing"); play.setAttribute("aria-label", "Play"); });
  play.addEventListener("click", toggle);
  const place = (event, canvas) => event.clientX - canvas.getBoundingClientRect().left;
  detail.addEventListener("click", (event) => seek(view.s(place(event, detail))));
  overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); seek(overviewScale.s(place(event, overview))); });
  overview.addEventListener("pointermove", (event) => { if (event.buttons) seek(overviewScale.s(place(event, overview))); });
  document.addEventListener("keydown", (event) => {
    if (event.key === " " && event.target.tagName !== "BUTTON") toggle();
    else if (event.key === "ArrowLeft") seek(now - 2);
    else if (event.key === "ArrowRight") seek(now + 2);
    else return;
    event.preventDefault();
  });
  window.addEventListener("resize", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);

  byId("level").textContent = `lane height ${recording.level_db} dBFS`.replace("-", "\u2212");
  byId("summary").textContent = recording.summary;
  overview.setAttribute("aria-valuemax", recording.duration_s.toFixed(1));
  fillTranscript();
  fillEvents();
  show();
  document.documentElement.dataset.ready = "yes";
})();
