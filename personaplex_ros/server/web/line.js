// The connection with the server, in the Realtime protocol; docs/realtime.md describes it.

const ADDRESS = "v1/realtime";
const PING_MS = 2000;

const base64 = (bytes) => {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

export const toInt16 = (samples) =>
  Int16Array.from(samples, (sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32768))));

const toFloat32 = (text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Float32Array.from(new Int16Array(bytes.buffer), (sample) => sample / 32768);
};

// Calls `hears`: speech(samples), words(piece), turn(event), silenced(), network(ms), over(why).
export class Line {
  constructor(hears) {
    this.hears = hears;
    this.why = "";
    this.asked = new Map();
    const address = new URL(ADDRESS, document.baseURI);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.search = location.search;
    this.socket = new WebSocket(address, ["realtime"]);
    this.socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    this.socket.onclose = () => this.end();
    this.pings = setInterval(() => this.ping(), PING_MS);
  }

  // Resolves when the server knows who the robot is to be, and rejects where that cannot be.
  begin(instructions, voice) {
    return new Promise((resolve, reject) => {
      this.ready = resolve;
      this.refused = reject;
      this.socket.onopen = () => {
        const output = voice ? { output: { voice } } : {};
        this.send({ type: "session.update", session: { type: "realtime", instructions, audio: output } });
      };
    });
  }

  speak(samples) {
    const bytes = new Uint8Array(toInt16(samples).buffer);
    this.send({ type: "input_audio_buffer.append", audio: base64(bytes) });
  }

  // Hangs up at once, also on a server that answers no more.
  close() {
    this.closed = true;
    this.socket.close(1000);
    this.end();
  }

  // An empty update is answered at once: that tells how far away the server is.
  ping() {
    this.pinged = performance.now();
    this.send({ type: "session.update", session: { type: "realtime" } });
  }

  send(event) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(event));
  }

  take(event) {
    if (event.type === "response.output_audio.delta") this.hears.speech(toFloat32(event.delta));
    else if (event.type === "response.output_audio_transcript.delta") this.hears.words(event.delta);
    else if (event.type === "response.created") this.hears.words("");
    else if (event.type === "personaplex.turn_event") this.hears.turn(event);
    else if (event.type === "response.done" && event.response.status === "cancelled") this.hears.silenced();
    else if (event.type === "session.updated") this.updated();
    else if (event.type === "error") this.failed(event.error);
  }

  updated() {
    if (this.ready) this.ready();
    this.ready = this.refused = null;
    if (this.pinged) this.hears.network(performance.now() - this.pinged);
    this.pinged = 0;
  }

  failed(error) {
    this.why = error.message;
    if (!this.refused) return;
    this.refused(new Error(error.message));
    this.ready = this.refused = null;
    this.close();
  }

  end() {
    if (this.ended) return;
    this.ended = true;
    this.socket.onmessage = this.socket.onclose = null;
    clearInterval(this.pings);
    if (this.refused) {
      this.refused(new Error(this.why || "the server cannot be reached, or wants another token (?token=...)"));
    } else {
      this.hears.over(this.closed ? "" : this.why || "the connection broke");
    }
  }
}
