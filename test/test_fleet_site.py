"""benchmarks/fleet_site.py: queues whose theory is known, and sites where the answer is plain."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from benchmark_support import load_benchmark

site_of = load_benchmark("fleet_site")
FLAT = (1.0,)
DAYS = 2


def visits(load: float, mean_s: float) -> float:
    """Return the visitors a day that make so much load."""
    return load * site_of.DAY_S / mean_s


@pytest.mark.parametrize(("load", "sessions"), [(12.0, 16), (8.0, 8)])
def test_without_scaling_erlangs_formula_comes_out(load: float, sessions: int) -> None:
    """The formula holds for any distribution of lengths."""
    site = site_of.Site(0, visits(load, 30.0), 30.0, 0.8, FLAT)
    policy = site_of.Policy(1, 1, sessions, patience_s=0.0)
    outcome = site_of.Simulation(site, policy, DAYS, 1).run()
    assert outcome.refused_share == pytest.approx(site_of.erlang_b(sessions, load), rel=0.08)
    assert max(outcome.waits_s) == 0.0
    taken = outcome.session_s / (outcome.gpu_s * sessions)
    assert taken == pytest.approx(load * (1 - outcome.refused_share) / sessions, rel=0.03)


def test_erlangs_formula_itself() -> None:
    assert site_of.erlang_b(1, 1.0) == pytest.approx(0.5)
    assert site_of.erlang_b(2, 1.0) == pytest.approx(0.2)
    assert site_of.erlang_b(10, 5.0) == pytest.approx(0.018385, rel=1e-4)  # of the tables
    assert site_of.servers_for(5.0, 0.01) == 11


def test_robots_that_talk_get_no_second_visitor() -> None:
    """With as many sessions as robots, a robot is busy with load / (1 + load) (Engset's limit)."""
    each = 0.5
    site = site_of.Site(50, visits(each, 60.0), 60.0, 0.8, FLAT)
    outcome = site_of.Simulation(site, site_of.Policy(1, 1, 50), DAYS, 2).run()
    assert outcome.refused == 0
    assert outcome.found_busy / outcome.came == pytest.approx(each / (1 + each), rel=0.03)


def test_scaling_follows_the_day_and_costs_less_than_the_busiest_hour() -> None:
    site = site_of.Site(300, 40.0, 90.0)
    needed = math.ceil(site_of.servers_for(site.peak(), 0.01) / 4)
    fixed = site_of.Policy(needed, needed, 4)
    scaled = site_of.Policy(1, 4 * needed, 4, start_s=60.0)
    steady = site_of.Simulation(site, fixed, 1, 3).run()
    moving = site_of.Simulation(site, scaled, 1, 3).run()
    assert steady.gpu_s == pytest.approx(needed * site_of.DAY_S)
    assert moving.gpu_s < steady.gpu_s and moving.most_gpus > 1
    assert moving.refused_share < 0.02
    slow = site_of.Simulation(site, replace(scaled, start_s=3600.0), 1, 3).run()
    assert slow.refused_share > moving.refused_share


def test_measured_frames_decide_how_many_sessions_fit(tmp_path: Path) -> None:
    times, source = site_of.frame_times(None)
    assert "ESTIMATED" in source and site_of.sessions_of(times) == site_of.H100_SESSIONS
    rows = [{"weights": "as dtype", "sessions": n, "p99_ms": 10.0 * n} for n in (1, 2, 4, 8)]
    file = tmp_path / "gpu.json"
    file.write_text(json.dumps({"sessions": rows}))
    times, source = site_of.frame_times(file)
    assert source == f"measured, {file}" and site_of.sessions_of(times) == 4
