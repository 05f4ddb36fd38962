"""Limits, counters and frames of the microphone intake."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .chunk import ChunkLimits


@dataclass(frozen=True)
class IntakeLimits:
    """Policy of the intake; times in seconds.

    chunk: what a single chunk may look like.
    max_gap_fill_s: the longest gap that is filled; a longer one begins a new stream.
    network_delay_max_s: the longest wait for chunks that others have overtaken; 0 waits for none.
    conceal: whether the sound goes on in place of what is lost; else zeros are put there.
    source_timeout_s: silence of the active publisher after which another one may take over.
    max_backlog_frames: complete frames that may wait; one more, and all but the newest are dropped.
    """

    chunk: ChunkLimits = field(default_factory=ChunkLimits)
    max_gap_fill_s: float = 0.5
    network_delay_max_s: float = 0.2
    conceal: bool = True
    source_timeout_s: float = 1.0
    max_backlog_frames: int = 4

    def __post_init__(self) -> None:
        if min(self.max_gap_fill_s, self.network_delay_max_s) < 0.0 or self.source_timeout_s <= 0.0:
            raise ValueError(
                "max_gap_fill_s and network_delay_max_s must not be negative and source_timeout_s "
                f"must be positive, got {self.max_gap_fill_s}, {self.network_delay_max_s} and "
                f"{self.source_timeout_s}"
            )
        if self.max_backlog_frames < 1:
            raise ValueError(
                f"max_backlog_frames must be at least 1, got {self.max_backlog_frames}"
            )


@dataclass
class IntakeCounters:
    """What the intake met since it was made. Samples are per channel unless said otherwise.

    chunks: accepted. frames: completed. filled_frames: silent ones made by `fill`.
    Dropped chunks: empty, oversized, bad_format, bad_channels, bad_rate, second_publisher.
    nan_samples, clipped_samples: interleaved samples set to 0 or clipped.
    gaps, gap_samples: gaps that were filled, and concealed_samples: of those, with sound that goes
    on. reordered: chunks that were put back before others that had overtaken them. spread_ms: how
    much later than the earliest nearly all chunks come. overlaps, overlap_samples: repeated samples
    dropped.
    ignored_indices: chunks whose sample index was not believed. rate: of the last one accepted.
    covered_ns: length of what was accepted, gaps that were filled included. silent_ns: for how
    long the publisher has sent one and the same value up to now.
    restarts: streams begun anew, of which format_changes by another rate or channel count and
    source_changes by another publisher. discarded_samples: model-rate samples of a partly filled
    frame that a restart dropped. stamp_jumps: numbered samples whose stamp leapt by over 0.2 s.
    skipped_frames: dropped as backlog. late_samples: model-rate samples that came after something
    else had taken their place.
    """

    chunks: int = 0
    frames: int = 0
    filled_frames: int = 0
    empty: int = 0
    oversized: int = 0
    bad_format: int = 0
    bad_channels: int = 0
    bad_rate: int = 0
    second_publisher: int = 0
    nan_samples: int = 0
    clipped_samples: int = 0
    gaps: int = 0
    gap_samples: int = 0
    concealed_samples: int = 0
    reordered: int = 0
    spread_ms: int = 0
    overlaps: int = 0
    overlap_samples: int = 0
    ignored_indices: int = 0
    rate: int = 0
    covered_ns: int = 0
    silent_ns: int = 0
    restarts: int = 0
    format_changes: int = 0
    source_changes: int = 0
    discarded_samples: int = 0
    stamp_jumps: int = 0
    skipped_frames: int = 0
    late_samples: int = 0


@dataclass(frozen=True)
class MicrophoneFrame:
    """One frame for the model.

    samples: float32 [frame_size] in [-1, 1]. stamp_ns: capture time of the first sample.
    filled: True where silence stands for audio that was late.
    """

    samples: NDArray[np.float32]
    stamp_ns: int
    filled: bool
