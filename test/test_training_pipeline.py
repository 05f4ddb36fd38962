"""Training from nothing to a checkpoint folder that talks, at toy size."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from personaplex_ros.checkpoint.files import MIMI, MODEL, TOKENIZER, resolve
from personaplex_ros.cli import main
from personaplex_ros.engine import Engine, Persona
from personaplex_ros.resources import share_directory
from personaplex_ros.training import pipeline
from personaplex_ros.training.conversations.corpus import Materials
from personaplex_ros.training.evaluation import Bars
from personaplex_ros.training.hearing import stage as hearing_stage
from personaplex_ros.training.learning.loop import Schedule
from personaplex_ros.training.recipe import load_recipe
from personaplex_ros.training.voices.alignment import align
from personaplex_ros.training.voices.recorded import Recorder
from personaplex_ros.training.voices.speech import Voice, speak
from personaplex_ros.training.workshop import Workshop
from personaplex_ros.training.world import load_world

RECIPE = """
corpus: {codec_hours: 0.01, prompts: 2, shards: 1, recordings: 1, seconds: 20.0, pieces: 400}
codec:
  sample_rate: 24000
  frame_rate: 12.5
  seanet: {n_filters: 2, dimension: 32}
  transformer: {num_heads: 2, num_layers: 1, dim_feedforward: 32, context: 8}
  quantizer: {dimension: 8, n_q: 8, bins: 32}
codec_training: {batch: 2, frames: 5, unquantised_steps: 4}
codec_schedule: {steps: 10, rate: 0.001, warmup: 2, clip: 3.0}
decoder_schedule: {steps: 2, rate: 0.001, warmup: 2, clip: 3.0}
understanding_schedule: {steps: 2, rate: 0.001, warmup: 1}
hearing_training: {batch: 1, fresh: 1, frames: 20}
hearing_schedule: {steps: 2, rate: 0.001, warmup: 1}
language:
  {dim: 32, heads: 2, layers: 1, hidden: 64, context: 500, cardinality: 32, depth_steps: 8,
   depth_dim: 16, depth_heads: 2, depth_layers: 1, depth_hidden: 32}
language_training: {batch: 1, frames: 300}
reading_schedule: {steps: 2, rate: 0.001, warmup: 1}
language_schedule: {steps: 3, rate: 0.001, warmup: 2}
listening_schedule: {steps: 2, rate: 0.001, warmup: 2}
evaluation: {dialogues: 1, slots: 2}
"""


@pytest.mark.long
def test_one_command_trains_a_checkpoint_and_goes_on_where_it_was_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, output = tmp_path / "toy.yaml", tmp_path / "toy"
    recipe.write_text(RECIPE)
    command = ["train", "--recipe", str(recipe), "--output", str(output), "--device", "cpu"]
    assert main([*command, "--stages", "codec,corpus"]) == 0
    work = tmp_path / "toy.work"
    made = {path: path.stat().st_mtime_ns for path in (work / "corpus").iterdir()}
    codec = load_file(output / MIMI)
    assert main(command) == 0
    for name, weight in load_file(output / MIMI).items():
        if not name.startswith(("upsample", "decoder")):
            assert torch.equal(weight, codec[name]), f"the corpus was made with another {name}"
    assert all(path.stat().st_mtime_ns == time for path, time in made.items())
    assert len((work / "codec.jsonl").read_text().splitlines()) == 1, "no step was done again"
    assert (work / "curves.png").stat().st_size > 0
    said = capsys.readouterr().out
    assert "toy: " in said.replace(str(output), "toy")
    table = (work / "evaluation.md").read_text()
    assert "| right answer" in table and table in said
    assert json.loads((work / "evaluation.json").read_text())["about"]["checkpoint"] == "toy"

    engine = Engine.load(output, listens=True)
    session = engine.open(Persona("toy", "You work for Nova Labs.", "NATF0.pt"), seed=1)
    result = session.push(np.zeros(engine.frame_size, np.float32))
    assert result.audio.shape == (1920,) and np.isfinite(result.audio).all()


@pytest.mark.long
def test_a_training_goes_on_with_a_finished_checkpoint(tmp_path: Path) -> None:
    recipe, toy, further = tmp_path / "toy.yaml", tmp_path / "toy", tmp_path / "further"
    stages = ["--device", "cpu", "--stages", "codec,corpus,language,export"]
    recipe.write_text(RECIPE)
    assert main(["train", "--recipe", str(recipe), "--output", str(toy), *stages]) == 0
    recipe.write_text(yaml.safe_dump(yaml.safe_load(RECIPE) | {"start": str(toy)}))
    assert main(["train", "--recipe", str(recipe), "--output", str(further), *stages]) == 0
    codecs = [load_file(folder / MIMI) for folder in (toy, further)]
    assert all(torch.equal(codecs[0][name], codecs[1][name]) for name in codecs[0])
    before, after = (load_file(folder / MODEL) for folder in (toy, further))
    moved = [float((after[name] - before[name]).abs().max()) for name in before]
    assert 0 < max(moved) < 0.02, "three small steps from where the other had come"
    recipe.write_text(yaml.safe_dump(yaml.safe_load(recipe.read_text()) | {"learnt": 0.25}))
    less = [*stages[:2], "--stages", "language"]
    for again in range(2):
        assert main(["train", "--recipe", str(recipe), "--output", str(further), *less]) == 0
        quarter = load_file(further / MODEL)
        for name in before:
            wanted = 0.75 * before[name].float() + 0.25 * after[name].float()
            torch.testing.assert_close(
                quarter[name].float(), wanted, rtol=2e-3, atol=1e-5, msg=f"{name}, run {again}"
            )
    assert not (tmp_path / "further.work" / "reading.pt").exists(), "it can read already"
    session = Engine.load(further).open(Persona("toy", "You are Sam.", "NATF0.pt"), seed=1)
    assert np.isfinite(session.push(np.zeros(1920, np.float32)).audio).all()


def test_a_finished_checkpoint_learns_to_hear_recorded_voices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing_stage, "UTTERANCES", 12)
    work, output = tmp_path / "nano.work", tmp_path / "nano"
    recorder = Recorder(work / "voices" / "somebody")
    for text in ("Where is the lift?", "Mhm.", load_world().intents["name"].wordings[0]):
        samples = speak(text, Voice("en-us+f5")).samples
        recorder.add(text, samples, align(text, samples))
    recipe = load_recipe("nano_voices")
    schedule, threads = Schedule(2, 0.003, warmup=1), torch.get_num_threads()
    recipe = replace(
        recipe,
        start="nano",
        corpus=replace(recipe.corpus, utterances=1, surroundings=1),
        hearing_training=replace(recipe.hearing_training, batch=2, fresh=1, frames=20, recent=4),
        understanding_schedule=schedule,
        hearing_schedule=schedule,
    )
    pipeline.train(Workshop(recipe, work, output, torch.device("cpu")), ("codec", "hearing"))
    assert torch.get_num_threads() == threads
    shipped = resolve("nano")
    for name, moves in (
        (MIMI, ("encoder.", "encoder_transformer.", "downsample.")),
        (MODEL, tuple(f"emb.{row}." for row in range(8, 16))),
    ):
        before, after = load_file(shipped / name), load_file(output / name)
        moved = {key for key in before if not torch.equal(before[key], after[key])}
        assert moved and all(key.startswith(moves) for key in moved)

    half = replace(recipe, hearing_training=replace(recipe.hearing_training, learnt=0.5))
    pipeline.train(
        Workshop(half, work, tmp_path / "half", torch.device("cpu")), ("codec", "hearing")
    )
    for name in (MIMI, MODEL):
        was, learnt = load_file(shipped / name), load_file(output / name)
        for key, weight in load_file(tmp_path / "half" / name).items():
            wanted = 0.5 * (was[key].float() + learnt[key].float())
            torch.testing.assert_close(weight.float(), wanted, rtol=2e-3, atol=1e-5, msg=key)


def test_a_model_is_made_surer_of_its_text_once(tmp_path: Path) -> None:
    recipe = replace(load_recipe("nano"), start="nano", surer=2.0)
    shop = Workshop(recipe, tmp_path / "work", tmp_path / "out", torch.device("cpu"))
    pipeline.train(shop, ("codec", "surer"))
    pipeline.train(shop, ("surer",))
    before, after = load_file(resolve("nano") / MODEL), load_file(shop.output / MODEL)
    assert torch.equal(after.pop("text_linear.weight"), 2 * before.pop("text_linear.weight"))
    assert all(torch.equal(weight, before[key]) for key, weight in after.items())
    pipeline.train(replace(shop, recipe=replace(recipe, surer=1.0)), ("codec", "surer"))
    assert (shop.output / MODEL).read_bytes() == (resolve("nano") / MODEL).read_bytes()


def test_a_robot_speaks_with_the_codec_that_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def build(*arguments: object) -> list[Path]:
        asked.append(Path(str(arguments[-1])))
        return []

    monkeypatch.setattr(pipeline, "build_corpus", build)
    for begin in ({}, {"start": "nano"}, {"start": "nano", "spoken_with": str(tmp_path)}):
        told = tmp_path / "told.yaml"
        told.write_text(yaml.safe_dump({"based_on": "nano"} | begin))
        recipe = load_recipe(told)
        pipeline.make_corpus(Workshop(recipe, tmp_path, tmp_path / "out", torch.device("cpu")))
    assert asked == [tmp_path / "out", resolve("nano"), tmp_path]


def test_a_training_that_has_no_room_for_new_moments_is_refused(tmp_path: Path) -> None:
    recipe = tmp_path / "toy.yaml"
    recipe.write_text("based_on: nano\nhearing_training: {batch: 2, fresh: 3}\n")
    with pytest.raises(ValueError, match=r"toy\.yaml.*fresh is 3"):
        load_recipe(recipe)


def test_a_robot_that_knows_its_silence_keeps_it(tmp_path: Path) -> None:
    for name in (MIMI, TOKENIZER, "mimi_config.json"):
        (tmp_path / name).write_bytes((resolve("nano") / name).read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({"silence_codes": list(range(8))}))
    assert Materials.load(tmp_path).silence.tolist() == [[code] for code in range(8)]
    Materials.load.cache_clear()
    (tmp_path / "config.json").unlink()
    materials = Materials.load(tmp_path)
    streamed = materials.codec.encode(
        torch.zeros(1, 1, 72_000), materials.codec.encoder_state(1), 8
    )
    assert materials.silence[:, 0].tolist() == streamed[0, :, -1].tolist(), "its codec's"


@pytest.mark.parametrize("learnt", ["0", "1.5", "-1", "much"])
@pytest.mark.parametrize("line", ["learnt: {}", "hearing_training: {{learnt: {}}}"])
def test_a_share_that_is_none_is_refused(tmp_path: Path, learnt: str, line: str) -> None:
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(f"based_on: nano\n{line.format(learnt)}\n")
    with pytest.raises(ValueError, match=r"toy\.yaml"):
        load_recipe(recipe)


@pytest.mark.parametrize("surer", ["0.5", ".nan", "very"])
def test_a_model_is_made_no_less_sure(tmp_path: Path, surer: str) -> None:
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(f"based_on: nano\nsurer: {surer}\n")
    with pytest.raises(ValueError, match=r"toy\.yaml"):
        load_recipe(recipe)


def test_an_unknown_key_of_a_recipe_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(RECIPE.replace("warmup: 2}", "warmups: 2}"))
    assert main(["train", "--recipe", str(recipe), "--output", str(tmp_path / "toy")]) != 0
    said = capsys.readouterr().err
    assert "toy.yaml" in said and "warmups" in said and "language_schedule" in said


def test_a_recipe_states_what_differs_from_the_one_it_is_based_on(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("based_on: nano\nlanguage_training: {batch: 5}\n")
    mine, nano = load_recipe(recipe), load_recipe("nano")
    assert mine.language_training == replace(nano.language_training, batch=5)
    assert replace(mine, language_training=nano.language_training) == nano


@pytest.mark.parametrize("path", sorted((share_directory() / "config/training").glob("*.yaml")))
def test_every_recipe_that_is_shipped_can_be_read(path: Path) -> None:
    assert load_recipe(path.stem).codec == load_recipe("nano").codec


def test_every_recipe_that_is_shipped_is_for_the_same_model() -> None:
    gpu, nano = load_recipe("nano_gpu"), load_recipe("nano")
    assert (gpu.codec, gpu.language) == (nano.codec, nano.language)
    assert gpu.language_training.batch > nano.language_training.batch


def test_an_evaluation_shows_one_bar_for_each_part(capsys: pytest.CaptureFixture[str]) -> None:
    bars = Bars()
    for part in ("timing", "dialogues"):
        for done in (1, 2, 3):
            bars(part, done, 3)
    said = capsys.readouterr().err
    assert said.count("timing:   0%") == 1
    assert said.count("dialogues:   0%") == 1
