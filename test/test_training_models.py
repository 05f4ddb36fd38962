"""Training of both models at toy size: it learns, resumes, and agrees with what inference does."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import CODEC, GREEDY, LM, random_codec, random_lm, talk, write_checkpoint
from safetensors.torch import load_file, save_file
from scipy.cluster.vq import kmeans2

from personaplex_ros.audio import write_wave
from personaplex_ros.checkpoint import TextTokenizer, find_voice, load_voice
from personaplex_ros.checkpoint.voices import WaveVoice
from personaplex_ros.engine import Engine, Persona
from personaplex_ros.engine.prepared import encode_voice
from personaplex_ros.lm.grid import lay_out
from personaplex_ros.persona import tagged
from personaplex_ros.prompt import prompt_frames
from personaplex_ros.training.conversations.corpus import Example
from personaplex_ros.training.conversations.text_row import EPAD, PAD, text_row
from personaplex_ros.training.export import export_codec, export_voice, with_prompt_codes
from personaplex_ros.training.learning import parallel
from personaplex_ros.training.learning.blending import blend
from personaplex_ros.training.learning.codec import (
    CodecTrainer,
    CodecTraining,
    Crops,
    DecoderTrainer,
    follow,
    frame_latents,
    start_codebooks,
)
from personaplex_ros.training.learning.language import (
    Batches,
    LanguageTrainer,
    LanguageTraining,
)
from personaplex_ros.training.learning.listening import ListeningTrainer
from personaplex_ros.training.learning.loop import Batch, Run, Schedule, drawn
from personaplex_ros.training.learning.reading import Prompts, ReadingTrainer
from personaplex_ros.training.voices.speech import Interval, Voice, speak
from personaplex_ros.training.voices.speech_bank import LABEL_HOP, SpeechBank, at_level
from personaplex_ros.training.world import load_world

SETTINGS = CodecTraining(batch=2, frames=5, unquantised_steps=13)
TEXT_PROMPT = "You enjoy having a good conversation."


@pytest.fixture(scope="module")
def crops() -> Crops:
    speech = at_level(speak("The quiet rooms look onto the garden.", Voice("en-us")).samples)
    size = len(speech) // LABEL_HOP * LABEL_HOP
    clean = np.tile(speech[:size], 3).astype(np.float16)
    labels = np.arange(len(clean) // LABEL_HOP, dtype=np.uint8) % 4
    return Crops(SpeechBank(clean, clean, labels, ("_", "a", "b", "c")), SETTINGS, CODEC.frame_size)


def advance(run: Run, draw: Callable[[int], Batch], steps: int) -> dict[str, float]:
    return run.advance(map(draw, itertools.count(run.step)), steps)


def codec_run(steps: int = 60) -> Run:
    return Run(CodecTrainer(CODEC, 4, SETTINGS), Schedule(steps, 3e-3, warmup=5, clip=3.0))


def test_the_codec_learns(crops: Crops) -> None:
    run = codec_run()
    first = advance(run, crops.draw, 12)
    advance(run, crops.draw, 36)
    last = advance(run, crops.draw, 12)
    assert last["mel"] < 0.7 * first["mel"]
    assert run.trainer.quantised
    assert set(last) >= {"mel", "relative", "envelope", "waveform", "commitment", "phones"}


def test_batches_drawn_by_other_processes_are_the_same(crops: Crops) -> None:
    steps = range(3, 9)
    for step, batch in zip(steps, drawn(crops.draw, steps, torch.device("cpu"), 2), strict=True):
        assert all(batch[name].equal(wanted) for name, wanted in crops.draw(step).items())


@pytest.mark.parametrize("stop", [3, 13, 16])  # before, at and after quantising begins
def test_a_codec_training_that_was_stopped_goes_on(crops: Crops, tmp_path: Path, stop: int) -> None:
    run = codec_run()
    advance(run, crops.draw, stop)
    run.save(tmp_path / "state.pt")
    resumed = codec_run()
    resumed.resume(tmp_path / "state.pt")
    assert resumed.step == stop
    wanted, losses = (advance(r, crops.draw, 4) for r in (run, resumed))
    if stop == 16:  # earlier, the latents that place the codebooks are those since the stop
        assert losses == pytest.approx(wanted, rel=1e-5)
    assert advance(resumed, crops.draw, 14)["commitment"] > 0 and resumed.trainer.quantised


def test_codebooks_begin_as_k_means_of_the_latents() -> None:
    """SciPy's k-means, begun at our centroids, finds nothing to improve much."""
    codec = random_codec()
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(600, CODEC.dimension, generator=generator)
    first = codec.quantizer.rvq_first
    start_codebooks(first, latents, 1.0)
    projected = torch.nn.functional.linear(latents, first.input_proj.weight[..., 0]).numpy()
    codebook = first.vq.layers[0].codebook
    ours = codebook.centroids.numpy()

    def distortion(centroids: np.ndarray) -> float:
        distances = ((projected[:, None] - centroids[None]) ** 2).sum(-1)
        return float(distances.min(1).mean())

    theirs, _ = kmeans2(projected, ours, iter=20, minit="matrix")
    assert distortion(ours) < 1.1 * distortion(theirs)
    assert distortion(ours) < 0.7 * distortion(projected[: len(ours)])


def test_running_sums_follow_the_vectors_and_dead_codes_are_revived() -> None:
    """One step by hand: usage and sums decay, the chosen code takes the vectors in."""
    codec = random_codec()
    codebook = codec.quantizer.rvq_first.vq.layers[0].codebook
    size = codebook.cluster_usage.shape[0]
    codebook.cluster_usage.fill_(1.0)
    before = codebook.embedding_sum[3].clone()
    x = torch.ones(2, CODEC.code_dimension)
    codebook.cluster_usage[7] = 0.0
    follow(codebook, x, torch.tensor([3, 3]), decay=0.9)
    codebook.derive()
    assert codebook.cluster_usage[3].item() == pytest.approx(0.9 + 0.1 * 2)
    assert torch.allclose(codebook.embedding_sum[3], 0.9 * before + 0.1 * 2 * x[0])
    assert torch.allclose(codebook.centroids[7], x[0]), "the dead code is one of the vectors now"
    assert codebook.cluster_usage[7].item() == pytest.approx(2 / size)


@pytest.mark.parametrize("kind", ["codec", "decoder"])
def test_a_step_that_repeats_itself_asks_the_device_nothing(crops: Crops, kind: str) -> None:
    """A GPU can replay it: on the meta device, whose tensors hold no values, it runs as well."""
    trainer: CodecTrainer | DecoderTrainer
    if kind == "codec":
        trainer = CodecTrainer(CODEC, 4, SETTINGS)
        assert not trainer.repeats_itself
        trainer.quantised = True
    else:
        trainer = DecoderTrainer(random_codec(), SETTINGS)
    assert trainer.repeats_itself
    trainer.to("meta")
    losses = trainer.losses({name: tensor.to("meta") for name, tensor in crops.draw(0).items()})
    torch.stack(list(losses.values())).sum().backward()
    with pytest.raises(RuntimeError, match="meta"):
        losses["mel"].item()


def test_latents_of_training_are_those_of_inference() -> None:
    codec = random_codec()
    wave = torch.randn(2, 4 * CODEC.frame_size, generator=torch.Generator().manual_seed(1)) * 0.1
    latents = frame_latents(codec, wave)
    codes = codec.encode(wave[:, None], codec.encoder_state(2), 8)
    assert torch.equal(codec.quantizer.encode(latents, 8), codes)


def test_training_the_decoder_changes_no_code(crops: Crops) -> None:
    codec = random_codec()
    wave = torch.from_numpy(crops.bank.clean[: 10 * CODEC.frame_size].astype(np.float32))[
        None, None
    ]
    codes = codec.encode(wave, codec.encoder_state(1), 8)
    run = Run(DecoderTrainer(codec, SETTINGS), Schedule(40, 2e-3, warmup=5, clip=3.0))
    first = advance(run, crops.draw, 10)
    advance(run, crops.draw, 20)
    last = advance(run, crops.draw, 10)
    assert last["mel"] < first["mel"]
    assert torch.equal(codec.encode(wave, codec.encoder_state(1), 8), codes)


def test_words_lie_where_they_are_spoken(tmp_path: Path) -> None:
    tokenizer = TextTokenizer(write_checkpoint(tmp_path) / "tokenizer.model")
    word = tokenizer.encode("conversation.")
    words = [
        Interval("conversation.", 0.81, 1.2),
        Interval("a", 1.21, 1.3),
        Interval("a", 2.0, 2.1),
    ]
    row = text_row(words, tokenizer, 40, 0.08).tolist()
    one = tokenizer.encode("a")
    begin = 10
    assert row[:begin] == [PAD] * (begin - 1) + [EPAD]
    assert row[begin : begin + len(word)] == word
    after = max(begin + len(word), 15)
    assert row[after : after + len(one)] == one
    assert row[24 : 25 + len(one)] == [EPAD, *one]
    assert row[25 + len(one) :] == [PAD] * (40 - 25 - len(one))


def test_what_training_sees_is_what_inference_does(tmp_path: Path) -> None:
    """The most likely tokens of all frames at once are those that were chosen frame by frame."""
    folder = write_checkpoint(tmp_path)
    voice = tmp_path / "voice.wav"
    write_wave(voice, talk_samples(1.0), 24000)
    engine = Engine.load(folder)
    session = engine.open(Persona("x", TEXT_PROMPT, str(voice)), GREEDY)
    frames = talk(engine, 1.2, seed=3)
    results = [session.push(frame) for frame in frames]
    user = torch.from_numpy(np.concatenate(frames))[None, None]
    codec, config = engine.codec, engine.lm.config
    heard = codec.encode(user, codec.encoder_state(1), config.codebooks)[0]
    said = torch.tensor([[r.token, *r.codes] for r in results]).t()[:, 1:]  # a frame behind
    rows = torch.cat([said, heard[:, : said.shape[1]]])

    spoken = load_voice(find_voice(voice, []), 24000)
    assert isinstance(spoken, WaveVoice)
    codes = encode_voice(spoken, codec, config.codebooks)
    text = engine.tokenizer.encode(tagged(TEXT_PROMPT))
    prompt = prompt_frames(config, engine.frame_rate, codes, text)
    columns = lay_out(torch.cat([prompt, rows], dim=1), config).t()[None, :-1]
    with torch.inference_mode():
        positions = torch.arange(columns.shape[1])[None]
        last = parallel.temporal(engine.lm, columns, positions)[-1]
        hidden = engine.lm.out_norm(last)[0, :-1]
        text_ids = engine.lm.text_linear(hidden).argmax(-1)
        code_ids = parallel.depth(engine.lm, hidden, columns[0, 1:, :8]).argmax(-1)
    first = prompt.shape[1]  # column of the conversation's first frame
    wanted = columns[0, 1:]
    assert len(columns[0]) <= config.context and len(wanted) - first > 10
    assert torch.equal(text_ids[first - 1 :], wanted[first - 1 :, 0])
    assert torch.equal(code_ids[first:], wanted[first:, 1:9])


def talk_samples(seconds: float) -> np.ndarray:
    speech = speak("The quiet rooms look onto the garden, and a taxi takes five minutes.",
                   Voice("en-us")).samples  # fmt: skip
    return speech[: round(seconds * 24000)]


def conversation_by_heart(folder: Path) -> tuple[Example, Batches]:
    """Return a conversation of noise with two words of the caller, and batches of nothing else."""
    tokenizer = TextTokenizer(write_checkpoint(folder) / "tokenizer.model")
    generator = np.random.default_rng(0)
    rows = generator.integers(0, LM.cardinality, (17, 30)).astype(np.int16)
    rows[0] = generator.integers(4, 100, 30)
    heard = np.full(30, -1, np.int16)
    heard[[4, 9]] = (1, 2)
    settings = LanguageTraining(batch=2, frames=80, dropped=0.0, coarse=0.0, cut=0)
    voices = {"V": [generator.integers(0, LM.cardinality, (8, 5)).astype(np.int16)]}
    facts = np.array([1, 0], np.int16)
    nowhere = np.zeros(30, np.bool_)
    example = Example(rows, heard, nowhere, nowhere, facts, TEXT_PROMPT, "V")
    return example, Batches(lambda rng: example, voices, tokenizer, LM, settings, 12.5)


def test_the_language_model_learns_a_conversation_by_heart(tmp_path: Path) -> None:
    example, batches = conversation_by_heart(tmp_path)
    tokenizer, settings, rows = batches.tokenizer, batches.settings, example.rows
    batch = batches.draw(0)
    prompt = 5 + 12 + len(tokenizer.encode(tagged(TEXT_PROMPT)))
    assert int(batch["scored"][0].sum()) <= 31 and not batch["scored"][:, :prompt].any()
    assert batch["heard"][0, prompt + 4] == 1 and batch["heard"][0, prompt + 9] == 2
    assert torch.equal(
        batch["columns"][0, prompt : prompt + 30, 0], torch.from_numpy(rows[0]).long()
    )

    run = Run(LanguageTrainer(LM, 3, (3, 2), settings), Schedule(80, 5e-3, warmup=5))
    first = advance(run, batches.draw, 5)
    advance(run, batches.draw, 70)
    last = advance(run, batches.draw, 5)
    for name in ("text", "semantic", "heard", "facts"):
        assert last[name] < 0.3 * first[name], name


def test_where_the_robot_is_made_to_begin_nothing_is_learnt(tmp_path: Path) -> None:
    _, batches = conversation_by_heart(tmp_path)
    batch = batches.draw(0)
    trainer = LanguageTrainer(LM, 3, (3, 2), batches.settings)
    last = int(torch.nonzero(batch["scored"][0])[-1])
    assert not batch["given"].any()
    other = {name: tensor.clone() for name, tensor in batch.items()}
    other["columns"][:, last, : 1 + LM.codebooks] = 7
    for made_to, differs in ((False, True), (True, False)):
        losses = []
        for one in (batch, other):
            one["given"][:, last] = made_to
            torch.manual_seed(0)
            losses.append(trainer.losses(one))
        for name in ("text", "semantic", "acoustic"):
            assert (losses[0][name] != losses[1][name]).item() is differs, name


def test_of_what_was_learnt_as_much_is_kept_as_is_asked() -> None:
    was, now = random_lm(seed=1), random_lm(seed=2)
    wanted = {name: 0.75 * w + 0.25 * was.get_parameter(name) for name, w in now.named_parameters()}
    blend(now, was, 0.75)
    for name, weight in now.named_parameters():
        torch.testing.assert_close(weight, wanted[name], msg=name)


def test_a_listening_head_learns_words_and_leaves_the_model(tmp_path: Path) -> None:
    model, example, batches = random_lm(), *conversation_by_heart(tmp_path)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    trainer = ListeningTrainer(model, ["a", "b", "c"])
    run = Run(trainer, Schedule(80, 2e-2, warmup=5))
    first = advance(run, batches.draw, 5)
    advance(run, batches.draw, 70)
    last = advance(run, batches.draw, 5)
    assert list(last) == ["heard", "gradient"] and last["heard"] < 0.3 * first["heard"]
    assert all(weight.equal(before[name]) for name, weight in model.state_dict().items())

    batch = batches.draw(0)
    with torch.no_grad():
        columns, positions = batch["columns"][:, :-1], batch["positions"]
        hidden = model.out_norm(parallel.temporal(model, columns, positions)[-1])[batch["scored"]]
    said = trainer.head.choose(hidden) - 1
    assert said.equal(batch["heard"][batch["scored"]])
    assert set(said.tolist()) == set(example.heard.tolist())


def test_reading_a_prompt_is_learnt_from_prompts(tmp_path: Path) -> None:
    world, generator = load_world(), np.random.default_rng(0)
    tokenizer = TextTokenizer(write_checkpoint(tmp_path) / "tokenizer.model")
    codes = generator.integers(0, LM.cardinality, (2, 8, 30)).astype(np.int16)
    prompts = Prompts(world, {"A": [codes[0]], "B": [codes[1]]}, tokenizer, LM, 12.5, seed=0)
    batch = prompts.draw(0)
    for columns, end, facts in zip(batch["columns"], batch["end"], batch["facts"], strict=True):
        said = "".join(
            tokenizer.piece(t) for t in columns[:end, 0].tolist() if EPAD < t < tokenizer.size
        )
        opens, floor = world.values["open"][facts[2]], world.values["floor"][facts[4]]
        assert f"open from {opens} to" in said and f"the {floor} floor" in said
        assert columns[1:9, 1].tolist() == codes[facts[-1], 0, 1:9].tolist()
        assert (columns[end:] == -1).all() and (columns[:end, 0] >= 0).all()

    sizes = [*(len(possible) for possible in world.values.values()), 2]
    learner = LanguageTrainer(LM, 3, sizes, LanguageTraining())
    run = Run(ReadingTrainer(learner), Schedule(60, 5e-3, warmup=5))
    first = advance(run, lambda step: batch, 5)
    last = advance(run, lambda step: batch, 55)
    assert last["facts"] < 0.6 * first["facts"]
    fresh = LanguageTrainer(LM, 3, sizes, LanguageTraining())
    changed = [n for n, p in learner.named_parameters() if not p.equal(fresh.get_parameter(n))]
    assert "fact_head.weight" in changed and not any("depformer" in name for name in changed)


def test_a_voice_file_is_the_same_prompt_as_its_wave(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model")
    with_whole_embeddings(folder)
    samples = load_wave_voice(tmp_path)
    export_voice(samples, folder, tmp_path / "voice.pt")
    engine = Engine.load(folder)
    frames = talk(engine, 1.6)
    said = []
    for voice in ("voice.wav", "voice.pt"):
        session = engine.open(Persona("x", TEXT_PROMPT, str(tmp_path / voice)), GREEDY)
        said.append([(r.token, *r.codes) for r in map(session.push, frames)])
        session.close()
    assert said[0] == said[1]


def with_whole_embeddings(folder: Path) -> None:
    """Make all embeddings multiples of 1/64, whose sums a voice's 16 bits hold exactly."""
    tensors = load_file(folder / "model.safetensors")
    for name, weight in tensors.items():
        if name.startswith(("emb.", "text_emb.")):
            tensors[name] = (weight * 64).round() / 64
    save_file(tensors, folder / "model.safetensors")


def load_wave_voice(folder: Path) -> np.ndarray:
    write_wave(folder / "voice.wav", talk_samples(2.5), 24000)
    voice = load_voice(str(folder / "voice.wav"), 24000)
    assert isinstance(voice, WaveVoice)
    return voice.samples


def test_an_exported_codec_has_the_same_codes(tmp_path: Path) -> None:
    from personaplex_ros.checkpoint import load_codec
    from personaplex_ros.mimi import MimiConfig

    codec = random_codec().half().float()
    codec.quantizer.derive()
    export_codec(codec, tmp_path)
    stored = tmp_path / "tokenizer-e351c8d8-checkpoint125.safetensors"
    config = MimiConfig.from_json(
        __import__("json").loads((tmp_path / "mimi_config.json").read_text())
    )
    assert config == CODEC
    again = load_codec(stored, config, "cpu")
    wave = (
        torch.randn(1, 1, 20 * CODEC.frame_size, generator=torch.Generator().manual_seed(2)) * 0.1
    )
    one, two = (c.encode(wave, c.encoder_state(1), 8) for c in (codec, again))
    assert (one == two).float().mean() > 0.9  # centroids are rounded to 16 bits


def test_prompt_codes_are_silence_and_a_sine_of_the_codec() -> None:
    codec = random_codec()
    config = with_prompt_codes(random_lm().config, codec)
    assert len(config.silence_codes) == len(config.sine_codes) == 8
    assert config.silence_codes != config.sine_codes
    zeros = torch.zeros(1, 1, 30 * CODEC.frame_size)
    assert codec.encode(zeros, codec.encoder_state(1), 8)[0, :, -1].tolist() == list(
        config.silence_codes
    )
