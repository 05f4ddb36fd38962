"""The losses of a training: a line of JSON for every report, and a picture of them."""

from __future__ import annotations

import json
from pathlib import Path

from personaplex_ros.files import told, write_whole


def add_to_log(path: Path, step: int, losses: dict[str, float]) -> None:
    """Append a report."""
    with told(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"step": step, **{k: round(v, 4) for k, v in losses.items()}}) + "\n")


def read_log(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Return (step, loss) by loss; where a training was resumed, what it did anew counts."""
    reports: dict[int, dict[str, float]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        report = json.loads(line)
        reports[report.pop("step")] = report
    names = dict.fromkeys(name for report in reports.values() for name in report)
    return {
        name: [(step, reports[step][name]) for step in sorted(reports) if name in reports[step]]
        for name in names
    }


def draw_curves(logs: list[Path], path: Path) -> None:
    """Draw the logs side by side, losses on a logarithmic scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(logs), figsize=(5 * len(logs), 4), squeeze=False)
    for axis, log in zip(axes[0], logs, strict=True):
        for name, points in read_log(log).items():
            if name != "gradient":
                axis.semilogy(*zip(*points, strict=True), label=name)
        axis.set(title=log.stem, xlabel="step")
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    figure.tight_layout()
    write_whole(path, lambda place: figure.savefig(place, format="png", dpi=110))
    pyplot.close(figure)
