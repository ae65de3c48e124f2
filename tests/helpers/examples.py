"""With how many examples a property is tried."""

from typing import Any

from hypothesis import settings

# The default suite tries a part of the examples; CI tries all, in the step of the slow tests.
PROFILES = {"quick": 30, "all": 100}


def load_profiles() -> None:
    """Register ``PROFILES`` for ``--hypothesis-profile``, and use the first."""
    for name, max_examples in PROFILES.items():
        settings.register_profile(name, max_examples=max_examples, deadline=None)
    settings.load_profile("quick")


def examples(count: int, **options: Any) -> settings:
    """Settings of a property that has ``count`` examples in all; ``options`` are Hypothesis's."""
    share = settings.default.max_examples / PROFILES["all"]
    return settings(max_examples=max(5, round(count * share)), deadline=None, **options)
