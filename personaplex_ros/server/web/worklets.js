// In the browser's audio thread: what the microphone hears goes out, what the robot says is played.

const CHUNK = 480; // samples: 20 ms at 24 kHz
const BEGIN = 1440; // that wait before playing begins, so that a late frame leaves no gap
const MOST = 14400; // that may wait: of more, the oldest are dropped, so that speech stays prompt

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.chunk = new Float32Array(CHUNK);
    this.filled = 0;
  }

  process([channels]) {
    const samples = channels[0] ?? new Float32Array(128);
    for (const sample of samples) {
      this.chunk[this.filled++] = sample;
      if (this.filled === CHUNK) {
        this.port.postMessage(this.chunk.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

class Speaker extends AudioWorkletProcessor {
  constructor() {
    super();
    this.waiting = [];
    this.count = 0;
    this.playing = false;
    this.port.onmessage = ({ data }) => {
      if (data === null) {
        this.waiting = [];
        this.count = 0;
        return;
      }
      this.waiting.push(data);
      this.count += data.length;
      while (this.count > MOST) this.count -= this.waiting.shift().length;
    };
  }

  process(_, [[out]]) {
    this.playing = this.count > 0 && (this.playing || this.count >= BEGIN);
    for (let at = 0; this.playing && at < out.length && this.count > 0; ) {
      const head = this.waiting[0];
      const part = head.subarray(0, out.length - at);
      out.set(part, at);
      at += part.length;
      this.count -= part.length;
      if (part.length === head.length) this.waiting.shift();
      else this.waiting[0] = head.subarray(part.length);
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
registerProcessor("speaker", Speaker);
