"""Labels that name several defects of one photo: ``crack|burr``, ``crack; burr``, ``crack+burr``.

A separator alone proves nothing: ``Al+Cu`` and ``scratch, small`` are ordinary names. A label is
split only where the other labels of the set confirm its parts.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

# Rare in the name of one thing: one part that another label has is enough.
_LISTS = "|;"
# Frequent in the name of one thing.
_OTHERS = "+,&/"
_AROUND = " \t[](){}'\""  # ['crack', 'burr']


def known_kinds(labels: Collection[str]) -> Mapping[str, frozenset[str]]:
    """By separator, the parts of labels that are themselves labels or part of another label.

    A separator by which no label may be split is absent. ``+`` and the like split labels only if
    all parts of a label are labels themselves, or a part is in first place in one label and in a
    later place in another: in ``scratch, small`` and ``scratch, large`` neither is so.
    """
    found = {}
    for separator in _LISTS + _OTHERS:
        split = {label: parts for label in labels if (parts := _parts(label, separator))}
        whole = {label.strip(_AROUND) for label in labels if label not in split}
        shared = Counter(part for parts in split.values() for part in set(parts))
        kinds = frozenset(part for part, n in shared.items() if n > 1 or part in whole)
        if kinds and (separator in _LISTS or _is_list(split.values(), whole)):
            found[separator] = kinds
    return found


def split_label(label: str, kinds: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The defects that a label names, sorted and each once; empty if it names one thing.

    ``kinds`` is the result of ``known_kinds`` for all labels of the set.
    """
    for separator, known in kinds.items():
        parts = _parts(label, separator)
        if parts and not known.isdisjoint(parts):
            return tuple(sorted(set(parts)))
    return ()


def _parts(label: str, separator: str) -> tuple[str, ...]:
    """The parts of a label, in its order; empty if the separator isn't between two names."""
    parts = tuple(part.strip(_AROUND) for part in label.split(separator))
    return parts if len(parts) > 1 and all(parts) else ()


def _is_list(split: Collection[tuple[str, ...]], whole: Collection[str]) -> bool:
    """Whether the order of parts varies, or a label consists of other labels."""
    places: dict[str, set[bool]] = defaultdict(set)
    for parts in split:
        for place, part in enumerate(parts):
            places[part].add(place == 0)
    varies = any(len(found) > 1 for found in places.values())
    return varies or any(part_set <= set(whole) for part_set in map(set, split))
