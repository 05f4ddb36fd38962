"""The stage in which a finished checkpoint learns to hear voices that it was not made with."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

import torch
from tqdm import tqdm

from personaplex_ros.checkpoint import CheckpointFiles, load_codec, load_language_model
from personaplex_ros.training.conversations.corpus import caller_words
from personaplex_ros.training.export import export_codec, export_language_model
from personaplex_ros.training.hearing.around import build_surroundings, load_surroundings
from personaplex_ros.training.hearing.encoder import HearingTrainer
from personaplex_ros.training.hearing.kept import KeptMoments
from personaplex_ros.training.hearing.moments import Moments
from personaplex_ros.training.hearing.understanding import Understanding
from personaplex_ros.training.hearing.utterances import build_utterances, load_utterances
from personaplex_ros.training.learning.blending import blend
from personaplex_ros.training.learning.following import beside_another, follow
from personaplex_ros.training.learning.loop import Run
from personaplex_ros.training.workshop import Workshop

UTTERANCES = 200  # of a file


def teach_hearing(shop: Workshop) -> None:
    """Teach the checkpoint that the recipe starts with to hear natural voices."""
    recipe = shop.recipe
    if recipe.start is None or not recipe.corpus.utterances:
        return
    folder, processes = shop.work / "utterances", os.cpu_count() or 1
    files = build_utterances(folder, shop.voices, recipe.corpus.utterances, UTTERANCES, processes)
    sounds = shop.work / "surroundings"
    noises = build_surroundings(sounds, shop.voices, recipe.corpus.surroundings, processes)
    for _ in tqdm(itertools.chain(files, noises), unit="file"):
        pass
    begin, numbers = CheckpointFiles.find(recipe.start), caller_words(shop.world)
    lm = load_language_model(begin.model, begin.config, "cpu", torch.float32)
    codec = load_codec(begin.mimi, begin.mimi_config, "cpu")
    settings = recipe.hearing_training
    said = load_utterances(folder)
    around = load_surroundings(sounds)
    moments = Moments(said, numbers, settings.batch, settings.frames, settings.seed, around)
    familiar = replace(moments, utterances=[one for one in said if one.familiar], around=())
    understanding = Understanding(codec, lm, len(numbers), settings.seed).to(shop.device)
    run = Run(understanding, recipe.understanding_schedule)
    follow(run, familiar.draw, shop.work / "understanding")
    trainer = HearingTrainer(understanding, settings).to(shop.device)
    made_with = load_codec(begin.mimi, begin.mimi_config, "cpu")
    kept = KeptMoments(moments, made_with, settings.fixed_layers, settings.fresh, settings.recent)
    run = Run(trainer, recipe.hearing_schedule)
    with beside_another():
        follow(run, kept.draw, shop.work / "hearing", processes=1)
    trainer.cpu()
    blend(trainer.codec, understanding.codec, settings.learnt)
    blend(trainer.lm, understanding.lm, settings.learnt)
    shop.forget_copies()
    export_codec(trainer.codec, shop.output)
    export_language_model(trainer.lm, shop.output)
