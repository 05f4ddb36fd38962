"""How well the offline recogniser of ``personaplex evaluate`` hears (docs/benchmark.md).

usage: python benchmarks/recogniser.py [--sentences 60] [--recogniser pocketsphinx]

Sentences of the robot, said by the synthesiser in all its voices, each in two seconds of silence.
What counts for the benchmark is how many words there are, and when the first begins and the last
ends. Needs requirements-training.txt.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from personaplex_ros.benchmark.recogniser import DEFAULT, load_recogniser
from personaplex_ros.persona import TAG
from personaplex_ros.training.evaluation.measures import word_errors
from personaplex_ros.training.voices.speakers import AGENTS
from personaplex_ros.training.voices.speech import RATE, speak
from personaplex_ros.training.voices.speech_bank import at_level
from personaplex_ros.training.world import load_world, plain

EDGE_S = 1.0  # of silence before and after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=60)
    parser.add_argument("--recogniser", default=DEFAULT)
    arguments = parser.parse_args()
    recogniser, rng = load_recogniser(arguments.recogniser), np.random.default_rng(0)
    texts = [text for text in load_world().agent_texts(rng, 10) if TAG not in text]
    voices = list(AGENTS.values())
    words = errors = 0
    heard_s = spent_s = 0.0
    surplus, onsets, ends = [], [], []
    for number in range(arguments.sentences):
        text = str(rng.choice(texts))
        speech = speak(text, voices[number % len(voices)])
        sound = np.pad(at_level(speech.samples), round(EDGE_S * RATE))
        began = time.process_time()
        heard = list(recogniser(sound, RATE))
        spent_s += time.process_time() - began
        heard_s += len(sound) / RATE
        said = plain(text).split()
        words += len(said)
        errors += word_errors(said, [word.text for word in heard])
        surplus.append(len(heard) - len(said))
        if heard:
            onsets.append(heard[0].start_s - EDGE_S)
            ends.append(heard[-1].end_s - EDGE_S - speech.duration_s)
    print(f"{arguments.recogniser}: {arguments.sentences} sentences of {words} words")
    print(f"words misheard: {errors / words:.0%}; sentences of which nothing: ", end="")
    print(arguments.sentences - len(onsets))
    for what, values, unit in (
        ("words too many", surplus, ""),
        ("first word's start, against the truth", onsets, " s"),
        ("last word's end, against the truth", ends, " s"),
    ):
        low, middle, high = np.percentile(values, [5, 50, 95])
        print(f"{what}: median {middle:.2f}{unit}, 5 to 95 %: {low:.2f} to {high:.2f}{unit}")
    print(f"processor time: {spent_s / heard_s:.2f} s a second of sound")


if __name__ == "__main__":
    main()
