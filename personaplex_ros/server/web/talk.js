// The page: who is talked with, the conversation, and what is left of it.

import { History } from "./history.js";
import { Line } from "./line.js";
import { Recording } from "./recording.js";

const RATE = 24000;
const LIVE_S = 15;
const SPOKEN_OF = {
  user_started: "you speak",
  user_stopped: "you are silent",
  user_finished: "you have finished",
  robot_started: "it speaks",
  robot_stopped: "it is silent",
  interruption: "you interrupt",
  robot_yielded: "it gives way",
  robot_kept_floor: "it speaks on",
  backchannel: "you murmur",
  robot_backchannel: "it murmurs",
  long_silence: "nobody speaks",
};

const $ = (id) => document.getElementById(id);
let people = [];
let history = new History();
const rows = new WeakMap(); // in the list of events, by event
let call = null; // the conversation that is open
let opening = null; // the one that gets ready
let drawing = 0; // the request to do so
let turn = {}; // when the person fell silent and the robot began, in seconds

class Call {
  constructor() {
    this.givenUp = new Promise((_, reject) => (this.giveUp = () => reject(new Error(""))));
  }

  // Open microphone, loudspeaker and line; rejects with words that a person can act on.
  async open() {
    this.sound = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    await Promise.all([
      this.listen(),
      this.sound.audioWorklet.addModule(new URL("worklets.js", import.meta.url)),
      this.sound.resume(),
    ]);
    if (this.gone) return;
    this.speaker = new AudioWorkletNode(this.sound, "speaker", { numberOfInputs: 0, outputChannelCount: [1] });
    this.speaker.connect(this.sound.destination);
    this.line = new Line(this);
    await this.line.begin($("prompt").value, $("voice").value);
    const ears = new AudioWorkletNode(this.sound, "microphone", { numberOfOutputs: 1, channelCount: 1 });
    ears.port.onmessage = ({ data }) => this.heard(data);
    const source = this.sound.createMediaStreamSource(this.stream);
    source.connect(ears).connect(this.sound.destination);
    if (!$("consent").checked) return;
    const full = () => tell(`It listens. The recording is full: it has what was said until ${time(history.seconds)}.`);
    this.recording = new Recording(this.sound, source, this.speaker, full);
  }

  // Two short tones, for those who do not see that it listens: a voice that said so would be heard.
  chime() {
    const tone = this.sound.createOscillator(), level = this.sound.createGain(), now = this.sound.currentTime;
    [660, 880].forEach((pitch, at) => tone.frequency.setValueAtTime(pitch, now + 0.08 * at));
    level.gain.setValueAtTime(0.05, now);
    level.gain.setTargetAtTime(0, now + 0.12, 0.03);
    tone.connect(level).connect(this.sound.destination);
    tone.start();
    tone.stop(now + 0.3);
  }

  async listen() {
    this.stream = await microphone();
    if (this.gone) this.release(); // it was given up while the browser asked
  }

  heard(samples) {
    history.hear(samples);
    this.line.speak(samples);
    redraw();
  }

  speech(samples) {
    history.say(samples, RATE);
    this.speaker.port.postMessage(samples);
  }

  words(piece) {
    if (piece === "") $("words").textContent = "";
    else history.words.push({ at: history.seconds, piece });
    $("words").textContent += piece;
  }

  silenced() {
    this.speaker.port.postMessage(null);
  }

  turn(event) {
    const at = event.onset_ms / 1000;
    this.time(event.event, at);
    const kind = event.revises || event.event;
    const known = history.events.find((one) => one.kind === kind && one.episode === event.episode);
    if (known) {
      Object.assign(known, { kind: event.event, confidence: event.confidence });
      rewrite(known);
      return;
    }
    const told = { at, kind: event.event, episode: event.episode, confidence: event.confidence };
    history.events.push(told);
    if (SPOKEN_OF[event.event]) note(told);
  }

  // The robot often begins before it is sure that the person has ended: either may be told first.
  time(kind, at) {
    if (kind === "user_started") turn = {};
    else if (kind === "user_stopped") turn.end = at;
    else if (kind === "robot_started") turn.answer = at;
    if (turn.answer > turn.end) {
      $("answer").textContent = `${(turn.answer - turn.end).toFixed(2)} s`;
      turn = {};
    }
  }

  network(milliseconds) {
    $("network").textContent = `${milliseconds.toFixed(0)} ms`;
  }

  over(why) {
    this.release();
    if (call === this) finish(why, this.recording);
  }

  release() {
    this.gone = true;
    this.recording?.end();
    this.line?.close();
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.sound?.state !== "closed") this.sound?.close();
  }
}

async function microphone() {
  if (!navigator.mediaDevices) {
    throw new Error("browsers give their microphone to https:// and localhost only: start the server with --tls-cert");
  }
  const wish = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: wish });
  } catch (error) {
    const why = error.name === "NotAllowedError" ? "allow it in the browser's address bar" : error.message;
    throw new Error(`no microphone: ${why}`);
  }
}

async function begin() {
  $("problem").textContent = $("words").textContent = "";
  $("answer").textContent = $("network").textContent = "–";
  $("events").replaceChildren();
  $("after").hidden = true;
  $("talk").setAttribute("aria-busy", true); // not disabled: that would take the focus from it
  tell("It gets ready ... Press again to give up.");
  history = new History();
  redraw();
  turn = {};
  const made = (opening = new Call());
  try {
    await Promise.race([made.open(), made.givenUp]);
  } catch (error) {
    made.release();
    $("problem").textContent = error.message;
    tell("Nobody is listening.");
    return;
  } finally {
    opening = null;
    $("talk").setAttribute("aria-busy", false);
  }
  call = made;
  show(true);
  made.chime();
  tell("It listens. Say something.");
}

function finish(why, recording) {
  call = null;
  show(false);
  tell("The conversation is over.");
  $("problem").textContent = why;
  if (history.seconds === 0) return;
  $("after").hidden = false;
  history.draw($("whole"), 0, history.seconds, false);
  offer($("happened"), new Blob([JSON.stringify({ words: history.words, events: history.events }, null, 1)]));
  $("sound").hidden = true;
  recording?.end().then((file) => {
    if (call || opening) return; // another conversation has begun
    offer($("sound"), file);
    $("sound").download = file.name;
    $("sound").hidden = false;
  });
}

function offer(link, content) {
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(content);
}

function show(talking) {
  $("talk").setAttribute("data-talking", talking);
  $("talk").lastChild.textContent = talking ? "Hang up" : "Talk";
  $("state").ariaLive = talking ? "off" : "polite"; // a screen reader would speak into the microphone
  for (const id of ["people", "prompt", "voice", "consent"]) $(id).disabled = talking || (id === "consent" && !Recording.type);
}

function tell(words) {
  $("state").textContent = words;
}

// What was suspected first may turn out to be something else, as a murmur that was no interruption.
function rewrite(event) {
  rows.get(event)?.replaceChildren(clock(event.at), SPOKEN_OF[event.kind] ?? event.kind);
}

function note(event) {
  const row = document.createElement("li");
  rows.set(event, row);
  rewrite(event);
  const list = $("events");
  const below = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(row);
  if (below) list.scrollTop = list.scrollHeight;
}

function clock(seconds) {
  const time = document.createElement("time");
  time.textContent = seconds.toFixed(2);
  return time;
}

function choose() {
  const person = people[$("people").value];
  $("name").textContent = person.name;
  $("prompt").value = person.text_prompt;
  $("voice").value = person.voice ?? "";
}

function time(seconds) {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds) % 60).padStart(2, "0")}`;
}

// Draw once soon, if somebody can see it.
function redraw() {
  if (!drawing && !document.hidden) drawing = requestAnimationFrame(draw);
}

function draw() {
  drawing = 0;
  const now = Math.max(LIVE_S, history.seconds);
  history.draw($("live"), now - LIVE_S, now, true);
  $("clock").textContent = time(history.seconds);
}

function redrawAll() {
  redraw();
  if (!$("after").hidden) history.draw($("whole"), 0, history.seconds, false);
}

async function meet() {
  const answer = await fetch(`api/people${location.search}`);
  if (!answer.ok) throw new Error(await answer.text());
  const known = await answer.json();
  people = known.people;
  $("people").replaceChildren(...people.map((one, index) => new Option(one.name, index)));
  $("voice").replaceChildren(...known.voices.map((name) => new Option(name, name)));
  choose();
}

$("people").onchange = choose;
$("talk").onclick = () => {
  if (call) call.line.close();
  else if (opening) opening.giveUp();
  else begin();
};
addEventListener("resize", redrawAll);
document.addEventListener("visibilitychange", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
$("consent").disabled = !Recording.type;
meet().catch((error) => ($("problem").textContent = error.message));
redraw();
