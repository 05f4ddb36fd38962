"""Lists the sound cards and tries one, in a process of its own; see `looking`.

Run as a script, without the package: it takes a tenth of a second, writes a line with what there
is, reads which card to open, and writes why that cannot be, or nothing.
"""

import json
import sys


def main() -> None:
    """Serve one dialogue."""
    import sounddevice

    cards = [dict(card) for card in sounddevice.query_devices()]
    print(json.dumps([cards, [dict(i) for i in sounddevice.query_hostapis()]]), flush=True)
    request = sys.stdin.readline()
    if not request.strip():
        return
    kind, attempts = json.loads(request)
    stream_class = sounddevice.InputStream if kind == "input" else sounddevice.OutputStream
    refusal = ""
    for arguments in attempts:
        try:
            stream_class(**arguments, callback=lambda *block: None).close()
            refusal = ""
            break
        except (sounddevice.PortAudioError, ValueError) as error:
            refusal = str(error)
    print(json.dumps(refusal))


if __name__ == "__main__":
    main()
