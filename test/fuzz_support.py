"""What the fuzz tests share: bytes that were a valid file or message before something befell them.

`make test` tries a few examples of each, the same every time; `make fuzz` tries many, new ones.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

NUMBERS = st.sampled_from((0, 1, 2, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1))
"""Lengths, sizes and counts that lie."""
_PARTS = st.sampled_from(("number", "byte", "cut", "more", "insert", "remove"))


def register_profiles() -> None:
    """Let pytest know how much to try: `--hypothesis-profile=long` for a long run."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    settings.register_profile(
        "bounded", max_examples=30, derandomize=True, deadline=None, database=None,
        suppress_health_check=quiet,
    )  # fmt: skip
    settings.register_profile(
        "long", max_examples=5_000, deadline=None, print_blob=True, suppress_health_check=quiet
    )
    settings.load_profile("bounded")


@st.composite
def damaged(draw: st.DrawFn, whole: bytes, header: int | None = None) -> bytes:
    """Return bytes to which one to four things happened, within the first ``header`` of them."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        end = min(len(data), header or len(data))
        place = draw(st.integers(0, max(0, end - 1)))
        what = draw(_PARTS)
        if what == "number":
            data[place : place + 4] = draw(NUMBERS).to_bytes(4, "little")
        elif what == "byte":
            data[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
        elif what == "cut":
            del data[place:]
        elif what == "more":
            data += draw(st.binary(max_size=32))
        elif what == "insert":
            data[place:place] = draw(st.binary(max_size=16))
        else:
            del data[place : place + draw(st.integers(1, 16))]
    return bytes(data)


def values(leaves: st.SearchStrategy[object] | None = None) -> st.SearchStrategy[object]:
    """Return what a JSON or YAML file can hold, in any nesting."""
    plain = leaves or (
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    )
    return st.recursive(
        plain,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
        ),
        max_leaves=8,
    )
