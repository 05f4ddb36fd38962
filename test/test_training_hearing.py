"""A finished codec's encoder learns to hear: what it is given, what moves and what must not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import welch

from personaplex_ros.lm import LanguageModel, LMConfig
from personaplex_ros.mimi import Mimi, MimiConfig
from personaplex_ros.training.conversations.corpus import NOTHING_HEARD, caller_words
from personaplex_ros.training.conversations.recordings import FRAME_S
from personaplex_ros.training.hearing import moments as hearing_moments
from personaplex_ros.training.hearing import utterances
from personaplex_ros.training.hearing.around import build_surroundings, load_surroundings
from personaplex_ros.training.hearing.encoder import HearingTrainer, HearingTraining
from personaplex_ros.training.hearing.kept import KeptMoments
from personaplex_ros.training.hearing.moments import UNKNOWN_PHONE, Moments
from personaplex_ros.training.hearing.understanding import Understanding, quantise
from personaplex_ros.training.hearing.utterances import build_utterances, load_utterances
from personaplex_ros.training.learning import precision
from personaplex_ros.training.learning.codec import (
    encoder_layers,
    frame_latents,
    latents_from,
    start_codebooks,
)
from personaplex_ros.training.learning.codec import initialise as initialise_codec
from personaplex_ros.training.learning.language import initialise
from personaplex_ros.training.sound import microphone
from personaplex_ros.training.sound.augment import COLOUR_DB, COLOUR_HZ
from personaplex_ros.training.voices.alignment import PHONES, SILENCE, align, phones_of
from personaplex_ros.training.voices.recorded import Recorder
from personaplex_ros.training.voices.speakers import Callers
from personaplex_ros.training.voices.speech import RATE, Voice, speak
from personaplex_ros.training.world import load_world

TEXTS = ("Where is the lift?", "Mhm.", "Hello there,")
FRAMES = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return sentences of the synthesiser and of one recorded voice."""
    place = tmp_path_factory.mktemp("hearing")
    recorder = Recorder(place / "voices" / "somebody")
    for text in (*TEXTS, load_world().intents["name"].wordings[0]):
        samples = speak(text, Voice("en-us+f5")).samples
        recorder.add(text, samples, align(text, samples))
    assert len(list(build_utterances(place / "said", place / "voices", 1, 16, 1))) == 1
    return place


@pytest.fixture(scope="module")
def moments(folder: Path) -> Moments:
    """Return batches of them."""
    said = load_utterances(folder / "said")
    return Moments(said, caller_words(load_world()), 6, FRAMES, 0)


@pytest.fixture
def understanding() -> Understanding:
    """Return a random model of toy size, whose codebooks lie where its latents do."""
    torch.manual_seed(0)
    codec = Mimi(MimiConfig(filters=2, dimension=32, heads=2, layers=1, hidden=32, context=8,
                            code_dimension=8, codebooks=8, cardinality=32))  # fmt: skip
    initialise_codec(codec)
    with torch.no_grad():
        some = frame_latents(codec, 0.1 * torch.randn(4, FRAMES * 1920)).flatten(0, 1)
    for quantizer in (codec.quantizer.rvq_first, codec.quantizer.rvq_rest):
        start_codebooks(quantizer, some, 5.0)
    config = LMConfig(
        dim=32, heads=2, layers=1, hidden=64, context=600, cardinality=32, depth_steps=8,
        depth_dim=16, depth_heads=2, depth_layers=1, depth_hidden=32, text_cardinality=60,
        silence_codes=tuple(range(8)),
    )  # fmt: skip
    lm = LanguageModel(config, dtype=torch.float32)
    initialise(lm)
    return Understanding(codec, lm, len(caller_words(load_world())), 0)


def test_phones_are_found_where_the_synthesiser_put_them() -> None:
    # Of enough sentences some have as many phones, whatever the process said before, which changes
    # how the synthesiser says them.
    texts = (
        "Where is the lift?", "The reception is closed today", "Can you call me a taxi?",
        "When do you open?", "I need a key", "Is the room free?", "What is your name?",
        "Thank you, goodbye", "My name is Sam", "Who can help me?",
    )  # fmt: skip
    off = []
    for text in texts:
        for name in ("en-us+m3", "en-us+f2"):
            speech = speak(text, Voice(name))
            found = phones_of(text, speech.samples)
            assert {phone.text for phone in found} <= set(PHONES)
            said = [phone for phone in found if phone.text != SILENCE]
            theirs = [phone for phone in speech.phones if not phone.text.startswith("_")]
            if len(said) == len(theirs):  # else the dictionary pronounces it in another way
                off += [abs(a.start_s - b.start_s) for a, b in zip(said, theirs, strict=True)]
    assert len(off) > 20 and np.median(off) <= 0.05
    assert phones_of("Xyzzyx ab", speech.samples) == (), "in no dictionary"
    hum = 0.3 * np.sin(2 * np.pi * 150 / RATE * np.arange(16_000), dtype=np.float32)
    assert phones_of("Uh huh.", hum) == (), "taken for silence"


def test_sentences_are_kept_and_made_once(folder: Path) -> None:
    said = load_utterances(folder / "said")
    assert len(said) == 16 and {one.familiar for one in said} == {True, False}
    assert not list(build_utterances(folder / "said", folder / "voices", 1, 16, 1))
    for one in said:
        assert np.abs(one.samples).max() == 32767
        if one.words:
            assert 0 < one.words[-1].end_s <= len(one.samples) / RATE + 0.01
        else:
            assert one.familiar and not one.phones, "the robot says it"
    with pytest.raises(FileNotFoundError, match="stage hearing"):
        load_utterances(folder)
    assert len(Callers.open(folder / "voices").recorded) == 1


def test_words_and_phones_are_told_where_the_sound_is(moments: Moments) -> None:
    found = 0
    for step in range(8):
        batch = moments.draw(step)
        assert batch["wave"].shape == (6, FRAMES * 1920) and batch["wave"].dtype == torch.float32
        level = batch["wave"].view(6, FRAMES, -1).square().mean(-1)
        for row in range(6):
            spoken, phones = batch["spoken"][row], batch["phones"][row]
            heard = batch["heard"][row]
            last = torch.nonzero(heard != NOTHING_HEARD)
            assert spoken.any() and level[row][spoken].max() >= level[row].max() * 0.99
            if len(last) and not (phones == UNKNOWN_PHONE).any():
                sounding = torch.nonzero((phones != PHONES.index(SILENCE)).any(-1))
                if int(sounding[-1]) < FRAMES - 4:  # else it is cut off
                    assert abs(int(last[-1]) - int(sounding[-1])) * FRAME_S <= 0.2
                    found += 1
    assert found > 10


def test_what_goes_on_around_those_who_speak_is_made_once_and_heard_by_no_teacher(
    folder: Path,
    moments: Moments,
    understanding: Understanding,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hearing_moments, "through_input", lambda heard, rng: np.clip(heard, -1, 1))
    place = folder / "around"
    assert len(list(build_surroundings(place, folder / "voices", 1, 1))) == 1
    assert not list(build_surroundings(place, folder / "voices", 1, 1)), "it is there"
    (sound,) = load_surroundings(place)
    assert sound.dtype == np.int16 and len(sound) == 30 * RATE and np.abs(sound).max() == 32767
    amid = replace(moments, around=[sound])
    louder = []
    for number in range(60):
        quiet, one = moments.one(number), amid.one(number)
        assert torch.equal(quiet["wave"], one["alone"]), "nothing else has changed"
        assert all(torch.equal(quiet[key], one[key]) for key in ("heard", "phones", "spoken"))
        added = one["wave"] - one["alone"]
        if added.any():
            speech = one["alone"].view(FRAMES, -1).square().mean(-1).sqrt().max()
            level = 20 * torch.log10(added.square().mean().sqrt() / speech)
            louder.append((number, float(level)))
    assert 10 < len(louder) < 32, "in about a third"
    assert -40 < min(level for _, level in louder) < max(level for _, level in louder) < 2
    number = louder[0][0]
    (row,) = [kept_moments(amid, understanding.codec)._made(number)]
    layers = HearingTraining().fixed_layers
    for wave, wanted in (("alone", True), ("wave", False)):
        low = encoder_layers(understanding.codec, amid.one(number)[wave][None, :, None], 0, layers)
        latents = latents_from(understanding.codec, low.bfloat16().float(), layers)[0]
        assert torch.allclose(row["before"], latents, atol=1e-4) is wanted
        assert torch.allclose(row["low"].float(), low[0], rtol=0.01, atol=1e-3) is not wanted


def test_some_inputs_are_set_badly_and_the_teacher_hears_as_by_a_good_one(
    moments: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone, "COLOURED_CHANCE", 0.0)
    gains_db, clipped = [], 0
    for number in range(240):
        one = moments.one(number)
        wave, alone = one["wave"], one["alone"]
        inside = (wave.abs() < 1.0) & (alone != 0.0)
        gain = (wave[inside] / alone[inside]).median()
        assert torch.allclose(wave, (alone * gain).clamp(-1, 1), atol=1e-4)
        gains_db.append(round(20 * float(torch.log10(gain)), 2))
        clipped += int((wave.abs() == 1.0).sum() > 100)
    loud, soft = ([g for g in gains_db if sign * g > 0.01] for sign in (1, -1))
    assert 5 <= len(loud) <= 26 and 5.9 < min(loud) < max(loud) < 21.1
    assert 8 <= len(soft) <= 32 and -18.1 < min(soft) < max(soft) < -7.9
    assert clipped >= 3, "who is too loud is cut off"


def test_inputs_have_timbres_and_the_teacher_hears_as_by_one_without(
    moments: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone, "input_gain", lambda rng: np.float32(1.0))
    changes_db = []
    for number in range(60):
        one = moments.one(number)
        wave, alone = one["wave"].numpy(), one["alone"].numpy()
        assert np.square(wave).mean() == pytest.approx(np.square(alone).mean(), rel=0.05)
        heard, spoken = (welch(sound, RATE, nperseg=1024)[1] for sound in (wave, alone))
        octaves = [slice(round(0.8 * f), round(1.2 * f)) for f in COLOUR_HZ[2:] * 1024 / RATE]
        change = [10 * np.log10(heard[at].sum() / spoken[at].sum()) for at in octaves]
        changes_db.append(max(change) - min(change))
    unchanged = sum(change < 0.1 for change in changes_db)
    assert 15 <= unchanged <= 33, "four in ten"
    assert 8 < np.median([change for change in changes_db if change > 0.1]) < 18
    assert max(changes_db) < 2 * COLOUR_DB + 1


def kept_moments(moments: Moments, codec: Mimi) -> KeptMoments:
    """Keep a few moments of a codec."""
    return KeptMoments(moments, codec, HearingTraining().fixed_layers, fresh=2, count=5)


def test_few_moments_of_a_batch_are_new_and_it_depends_on_its_step_alone(
    moments: Moments, understanding: Understanding
) -> None:
    codec = understanding.codec
    kept = kept_moments(moments, codec)
    batches = [kept.draw(step) for step in range(5)]
    resumed = kept_moments(moments, codec).draw(4)
    assert batches[4].keys() == resumed.keys()
    for name, tensor in resumed.items():
        assert torch.equal(tensor, batches[4][name]), name
    recent = [moments.one(number) for number in range(5, 10)]
    layers = HearingTraining().fixed_layers
    low, quiet = (
        encoder_layers(codec, torch.stack([one[name] for one in recent])[..., None], 0, layers)
        for name in ("wave", "alone")
    )
    latents = latents_from(codec, quiet.bfloat16().float(), layers)
    for place, row in enumerate(resumed["before"]):
        same = [k for k, latent in enumerate(latents) if torch.allclose(row, latent, atol=1e-4)]
        assert same, "one of the last five"
        if place < 2:
            assert 3 + place in same, "the new ones come first"
    assert resumed["low"].dtype == torch.bfloat16
    assert torch.allclose(resumed["low"][:2].float(), low[3:], rtol=0.01, atol=1e-3)


def test_what_hears_learns_and_nothing_else(
    moments: Moments, understanding: Understanding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_has_products", lambda: False)  # which round otherwise
    familiar = replace(moments, utterances=[one for one in moments.utterances if one.familiar])
    batch = familiar.draw(1)
    assert batch["familiar"].all()
    named = understanding.losses(batch)["words"]
    named.backward()
    assert understanding.word_head.weight.grad is not None
    counts = understanding.phones_of_codes
    sure = (batch["phones"] != UNKNOWN_PHONE).all(-1).sum()
    assert float((counts - 0.05).sum()) == pytest.approx(2 * int(sure), rel=1e-3)

    for step in range(8):
        understanding.losses(familiar.draw(step))
    trainer = HearingTrainer(understanding, HearingTraining(frames=FRAMES))
    batch = kept_moments(moments, understanding.codec).draw(1)
    before = {name: value.clone() for name, value in trainer.codec.state_dict().items()}
    first = trainer.losses(batch)
    assert first["kept"].item() == 0.0, "it begins as what it was"
    learning = [p for p in trainer.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=3e-3)
    for _ in range(20):
        optimiser.zero_grad()
        losses = trainer.losses(batch)
        (losses["words"] + losses["phones"]).backward()
        optimiser.step()
    assert losses["kept"].item() > 0
    assert losses["phones"].item() < 0.97 * first["phones"].item()
    moved = {n for n, v in trainer.codec.state_dict().items() if not torch.equal(v, before[n])}
    assert moved and all(
        name.startswith(("encoder.", "encoder_transformer.", "downsample.")) for name in moved
    )
    fixed = tuple(f"encoder.model.{k}." for k in range(trainer.settings.fixed_layers))
    assert not any(name.startswith(fixed) for name in moved)
    assert all(
        torch.equal(v, before[n]) for n, v in trainer.understanding.codec.state_dict().items()
    )
    lm, was = trainer.lm, dict(understanding.lm.named_parameters())
    heard = {f"emb.{k}.weight" for k in range(lm.config.codebooks, lm.config.audio_rows)}
    assert {n for n, v in lm.named_parameters() if not torch.equal(v, was[n])} == heard


def test_codes_are_those_of_the_codec_and_words_are_asked_of_the_model_as_it_hears_them(
    moments: Moments, understanding: Understanding
) -> None:
    batch, codec = moments.draw(2), understanding.codec
    with torch.no_grad():
        choices = quantise(codec, frame_latents(codec, batch["wave"]))
    wave, state = batch["wave"][:, None], codec.encoder_state(6)
    theirs = codec.encode(wave, state, 8)
    ours = torch.stack([choice.ids for choice in choices], dim=1)
    assert (ours == theirs).float().mean() > 0.99
    columns = understanding.columns(choices)
    config = understanding.lm.config
    row = 1 + config.codebooks
    assert torch.equal(columns[:, 1:, row], ours[:, 0, 1:]), "the first codebook has no delay"
    assert torch.equal(columns[:, 2:, row + 1], ours[:, 1, 1:-1]), "the others have one frame"


def test_a_voice_says_what_it_knows_however_little_that_is() -> None:
    class Narrow:
        def knows(self, text: str) -> bool:
            return text in ("a", "b")

    voice: Any = Narrow()
    rng = np.random.default_rng(1)
    many = [str(number) for number in range(100_000)]
    assert utterances._known([*many, "a"], voice, rng) == "a"
    assert {utterances._known(["a", "b", "c"], voice, rng) for _ in range(30)} == {"a", "b"}
    with pytest.raises(ValueError, match="knows nothing"):
        utterances._known(many, voice, rng)
