// A recording of both sides, which the browser packs as it comes: 29 MB an hour.

const BITS_A_SECOND = 64000;
const PIECE_MS = 1000;
const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];

export class Recording {
  static most = 250e6; // bytes; of more, the begin is kept

  static get type() {
    return globalThis.MediaRecorder && TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  }

  // Record what the nodes sound like: the person left, the robot right; calls `full` when no more is kept.
  constructor(sound, person, robot, full) {
    const sides = sound.createChannelMerger(2);
    person.connect(sides, 0, 0);
    robot.connect(sides, 0, 1);
    const both = sound.createMediaStreamDestination();
    sides.connect(both);
    this.pieces = [];
    this.bytes = 0;
    this.recorder = new MediaRecorder(both.stream, { mimeType: Recording.type, audioBitsPerSecond: BITS_A_SECOND });
    this.whole = new Promise((resolve) => (this.recorder.onstop = () => resolve(this.file())));
    this.recorder.ondataavailable = ({ data }) => {
      this.pieces.push(data);
      this.bytes += data.size;
      if (this.bytes < Recording.most || this.recorder.state === "inactive") return;
      this.recorder.stop();
      full();
    };
    this.recorder.start(PIECE_MS);
  }

  // Resolves with the file when all of it is there.
  end() {
    if (this.recorder.state !== "inactive") this.recorder.stop();
    return this.whole;
  }

  file() {
    const type = Recording.type.split(";")[0];
    return new File(this.pieces, `conversation.${type.split("/")[1]}`, { type });
  }
}
