"""What annotators call a stretch of sound, and what of it counts alike."""

from __future__ import annotations

TURN = "turn"
INTERRUPTION = "interruption"  # that took the floor
ATTEMPT = "attempt"  # an interruption that did not
BACKCHANNEL = "backchannel"
NOISE = "noise"
LAUGHTER = "laughter"
SILENCE = "silence"

KINDS = {
    "Normal Turn": TURN,
    "Regular Turn": TURN,
    "Strong Floor Hold": TURN,
    "Bounded Response": TURN,
    "Filler": TURN,
    "Overlap": TURN,
    "Floor-taking Competitive Interruption": INTERRUPTION,
    "Floor-taking Cooperative Interruption": INTERRUPTION,
    "Non-floor Taking Competitive Interruption": ATTEMPT,
    "Non-floor Taking Cooperative Interruption": ATTEMPT,
    "Acknowledgement Backchannel": BACKCHANNEL,
    "Continuer Backchannel": BACKCHANNEL,
    "Reaction Backchannel": BACKCHANNEL,
    "Non-Speech Noise": NOISE,
    "Channel Bleed": NOISE,
    "Speech, Non-Linguistic": NOISE,
    "Laughter": LAUGHTER,
    "Awkward Silence": SILENCE,
}
"""The benchmark's labels; others are not looked at."""

CLAIMS = (TURN, INTERRUPTION)  # the floor
