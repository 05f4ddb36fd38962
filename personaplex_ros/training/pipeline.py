"""From nothing to a checkpoint folder, in stages that each go on where they were stopped.

A work folder holds what is not shipped: the corpus, the trainings' states and logs. Stages, in
order: ``voices`` (what natural voices say, recorded), ``codec`` (the whole codec), ``hearing`` (a
finished codec's encoder, which learns these voices), ``corpus`` (conversations as codes),
``language`` (the language model), ``surer`` (it guesses less), ``listening`` (the head that writes
down what the person says), ``decoder`` (the codec's decoder alone, which changes no codes),
``export`` and ``evaluate``. A recipe that starts with a finished checkpoint has its codec and goes
on with its language model.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from personaplex_ros.audio import write_wave
from personaplex_ros.checkpoint import (
    CheckpointFiles,
    load_language_model,
    save_listening_head,
)
from personaplex_ros.checkpoint.files import MIMI, MODEL, TOKENIZER, resolve
from personaplex_ros.files import write_whole
from personaplex_ros.lm import LanguageModel
from personaplex_ros.nn.denormals import flush_denormals
from personaplex_ros.training.chance import pick
from personaplex_ros.training.conversations.corpus import (
    Materials,
    load_corpus,
    load_sentences,
)
from personaplex_ros.training.conversations.corpus_making import (
    build_corpus,
    prompt_texts,
    voice_sample,
)
from personaplex_ros.training.conversations.text_row import train_tokenizer
from personaplex_ros.training.evaluation import Bars, evaluate
from personaplex_ros.training.export import (
    MIMI_CONFIG,
    export_codec,
    export_language_model,
    export_voice,
    with_prompt_codes,
)
from personaplex_ros.training.hearing.stage import teach_hearing
from personaplex_ros.training.learning.blending import blend
from personaplex_ros.training.learning.codec import CodecTrainer, Crops, DecoderTrainer
from personaplex_ros.training.learning.curves import draw_curves
from personaplex_ros.training.learning.following import follow
from personaplex_ros.training.learning.language import Batches, LanguageTrainer
from personaplex_ros.training.learning.listening import ListeningTrainer, known_head
from personaplex_ros.training.learning.loop import Run
from personaplex_ros.training.learning.reading import Prompts, ReadingTrainer
from personaplex_ros.training.loudness import ROBOT_LUFS, speak_at
from personaplex_ros.training.voices.making import record_voices
from personaplex_ros.training.voices.speakers import AGENTS
from personaplex_ros.training.voices.speech import RATE
from personaplex_ros.training.voices.speech_bank import SpeechBank, build_bank
from personaplex_ros.training.workshop import BEGUN, LEARNT, Workshop

STAGES = (
    "voices", "codec", "hearing", "corpus", "language", "surer", "listening", "decoder", "export",
    "evaluate",
)  # fmt: skip
HEARD_SENTENCES = 25  # of each voice, to find out how loud it is
RUNS = ("codec", "understanding", "hearing", "reading", "language", "listening", "decoder")
LOGS, STATES = ([name + suffix for name in RUNS] for suffix in (".jsonl", ".pt"))
WORK = (*STATES, *LOGS, BEGUN, LEARNT, "curves.png", "evaluation.md", "evaluation.json")
CHECKPOINT = (MIMI, MIMI_CONFIG, TOKENIZER, MODEL, "config.json")
GENERIC_PROMPTS = (
    "You enjoy having a good conversation.",
    "You are a wise and friendly teacher. Answer questions or provide advice in a clear and "
    "engaging way.",
)


def train(shop: Workshop, stages: tuple[str, ...] = STAGES) -> None:
    """Run stages in their order."""
    flush_denormals()
    for folder in (shop.work, shop.output):
        folder.mkdir(parents=True, exist_ok=True)
    for stage in STAGES:
        if stage in stages:
            print(f"stage {stage}", flush=True)
            {
                "voices": make_voices,
                "codec": train_codec,
                "hearing": teach_hearing,
                "corpus": make_corpus,
                "language": train_language_model,
                "surer": make_surer,
                "listening": train_listening_head,
                "decoder": train_decoder,
                "export": export,
                "evaluate": examine,
            }[stage](shop)


def make_voices(shop: Workshop) -> None:
    """Record what natural voices say, where the recipe wants them."""
    if shop.recipe.corpus.natural:
        voices = record_voices(shop.voices, shop.work / "kokoro", os.cpu_count() or 1)
        for _ in tqdm(voices, unit="voice"):
            pass


def train_codec(shop: Workshop) -> None:
    """Train the codec and write it, and the text tokenizer, into the checkpoint folder."""
    if shop.recipe.start is not None:
        _take_over(resolve(shop.recipe.start), shop.output)
        shop.forget_copies()
        return
    recipe, bank = shop.recipe, _bank(shop)
    trainer = CodecTrainer(recipe.codec, len(bank.phones), recipe.codec_training)
    run = Run(trainer.to(shop.device), recipe.codec_schedule)
    crops = Crops(bank, recipe.codec_training, recipe.codec.frame_size)
    follow(run, crops.draw, shop.work / "codec")
    export_codec(trainer.codec, shop.output)
    rng = np.random.default_rng(shop.seed)
    prompts = [f"<system> {text} <system>" for text in GENERIC_PROMPTS]
    texts = shop.world.agent_texts(rng, 300) + prompts * 50
    train_tokenizer(texts, shop.output / TOKENIZER, recipe.corpus.pieces)


def _take_over(source: Path, output: Path) -> None:
    for name in CHECKPOINT:
        content = (source / name).read_bytes()
        write_whole(output / name, partial(Path.write_bytes, data=content))


def make_corpus(shop: Workshop) -> None:
    """Write whatever is not there yet of recordings, sentences and voice prompts."""
    amounts, recipe = shop.recipe.corpus, shop.recipe
    # A model that can speak goes on with the codes that it knows, however its codec now hears them.
    known = recipe.spoken_with or recipe.start
    spoken_with = shop.output if known is None else resolve(known)
    files = build_corpus(
        shop.work / "corpus",
        shop.output,
        amounts.prompts,
        range(amounts.shards),
        amounts.recordings,
        os.cpu_count() or 1,
        shop.device,
        shop.voices,
        spoken_with,
    )
    for _ in tqdm(files, total=amounts.shards + 2 * len(AGENTS), unit="file"):
        pass


def train_language_model(shop: Workshop) -> None:
    """Train the language model, first to read prompts and then on the corpus."""
    recipe = shop.recipe
    materials = Materials.load(shop.output)
    corpus = load_corpus(shop.work / "corpus", shop.world, materials, recipe.corpus.seconds)
    config = replace(recipe.language, text_cardinality=materials.tokenizer.size)
    known = _copied(shop, BEGUN) if recipe.start is not None else None
    if known is None:
        config = with_prompt_codes(config, materials.codec)
    else:
        told = known.config
        config = replace(config, silence_codes=told.silence_codes, sine_codes=told.sine_codes)
    trainer = LanguageTrainer(
        config, len(corpus.words), corpus.fact_sizes, recipe.language_training
    )
    trainer.to(shop.device)
    rate = recipe.codec.frame_rate
    prompts = Prompts(shop.world, corpus.prompts, materials.tokenizer, config, rate, shop.seed)
    if known is None:
        reading = Run(ReadingTrainer(trainer), recipe.reading_schedule)
        follow(reading, prompts.draw, shop.work / "reading")
    else:
        trainer.model.load_state_dict(known.state_dict())
        head = known_head(resolve(str(recipe.start)), corpus.words)
        if head is not None:
            trainer.heard_head.load_state_dict(head.state_dict())
    run = Run(trainer, recipe.language_schedule)
    batches = Batches(
        corpus.example,
        corpus.prompts,
        materials.tokenizer,
        config,
        recipe.language_training,
        rate,
    )
    follow(run, batches.draw, shop.work / "language")
    if known is not None:
        blend(trainer.model, known, recipe.learnt)
    (shop.work / LEARNT).unlink(missing_ok=True)
    export_language_model(trainer.model, shop.output)


@torch.no_grad()
def make_surer(shop: Workshop) -> None:
    """Let the language model choose its text as it would at a lower temperature.

    What it does not understand it guesses at less (docs/nano.md), whoever sets the temperature.
    """
    if shop.recipe.surer != 1:
        model = _copied(shop, LEARNT)
        model.text_linear.weight *= shop.recipe.surer
        export_language_model(model, shop.output)


def _copied(shop: Workshop, name: str) -> LanguageModel:
    """Return the language model as a stage found it first, however often that stage is run."""
    files, kept = CheckpointFiles.find(shop.output), shop.work / name
    if not kept.is_file():
        write_whole(kept, partial(Path.write_bytes, data=files.model.read_bytes()))
    return load_language_model(kept, files.config, "cpu", torch.float32)


def _finished(shop: Workshop) -> LanguageModel:
    files = CheckpointFiles.find(shop.output)
    return load_language_model(files.model, files.config, "cpu", torch.float32)


def train_listening_head(shop: Workshop) -> None:
    """Train the listening head on the hidden states of the finished language model."""
    recipe = shop.recipe
    materials = Materials.load(shop.output)
    corpus = load_corpus(shop.work / "corpus", shop.world, materials, recipe.corpus.seconds)
    model = _finished(shop)
    trainer = ListeningTrainer(model, list(corpus.words)).to(shop.device)
    batches = Batches(
        corpus.example,
        corpus.prompts,
        materials.tokenizer,
        model.config,
        recipe.language_training,
        recipe.codec.frame_rate,
    )
    follow(Run(trainer, recipe.listening_schedule), batches.draw, shop.work / "listening")
    save_listening_head(trainer.head.cpu(), shop.output)


def train_decoder(shop: Workshop) -> None:
    """Train the codec's decoder further; whatever was made of its codes stays valid."""
    recipe = shop.recipe
    codec = Materials.load(shop.output).codec
    run = Run(DecoderTrainer(codec, recipe.codec_training).to(shop.device), recipe.decoder_schedule)
    crops = Crops(_bank(shop), recipe.codec_training, recipe.codec.frame_size)
    follow(run, crops.draw, shop.work / "decoder")
    export_codec(codec.cpu(), shop.output)


def export(shop: Workshop) -> None:
    """Write the voices and the curves; the models were written when they were trained.

    The codec is made as loud as it is to be.
    """
    materials = Materials.load(shop.output)
    rng = np.random.default_rng((shop.seed, 8))
    said = [
        pick(list(sentences.values()), rng).codes
        for sentences in load_sentences(shop.work / "corpus").values()
        for _ in range(HEARD_SENTENCES)
    ]
    speak_at(materials.codec, said, ROBOT_LUFS)
    export_codec(materials.codec, shop.output)
    folder = shop.output / "voices"
    folder.mkdir(exist_ok=True)
    for voice in AGENTS:
        samples = voice_sample(voice, _voice_texts(shop, 3, seed=7))
        write_wave(folder / f"{voice}.wav", samples, RATE)
        export_voice(samples, shop.output, folder / f"{voice}.pt")
    logs = [path for path in map(shop.work.joinpath, LOGS) if path.is_file()]
    draw_curves(logs, shop.work / "curves.png")
    size = sum(path.stat().st_size for path in shop.output.rglob("*") if path.is_file())
    silence = json.dumps(materials.silence[:, 0].tolist())
    print(f"{shop.output}: {size / 1e6:.1f} MB, silence is {silence}; {MODEL} is ready")


def examine(shop: Workshop) -> None:
    """Hold conversations with the finished checkpoint, and write what it reaches."""
    amounts = shop.recipe.evaluation
    report = evaluate(
        shop.output, amounts.dialogues, shop.seed, amounts.slots, Bars(), device=str(shop.device)
    )
    print(report.table())
    for name, text in (("evaluation.md", report.table()), ("evaluation.json", report.json())):
        write_whole(shop.work / name, partial(Path.write_text, data=text, encoding="utf-8"))


def _bank(shop: Workshop) -> SpeechBank:
    world = shop.world
    rng = np.random.default_rng(shop.seed)
    said = world.caller_texts() + world.agent_texts(rng, 12)
    words = sorted({word.lower() for text in said for word in text.split() if word.isalpha()})
    # Words in any order, so that the codec learns sounds rather than the world's sentences.
    mixed = [" ".join(rng.choice(words, int(rng.integers(3, 9)))) + pick(".?,", rng) for _ in said]
    hours = shop.recipe.corpus.codec_hours
    return build_bank(said + mixed, hours, shop.seed, os.cpu_count() or 1)


def _voice_texts(shop: Workshop, count: int, seed: int) -> list[str]:
    """Draw sentences for a voice prompt."""
    rng = np.random.default_rng((shop.seed, seed))
    texts = prompt_texts(shop.world.agent_texts(rng, 6))
    return [pick(texts, rng) for _ in range(count)]
