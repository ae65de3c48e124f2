"""Recognition of the good class, which escape rate and overkill rate require."""

import re
import unicodedata
from collections.abc import Sequence

from fastdefect.data.reading.spelling import alike, quoted, rename_flag
from fastdefect.errors import DataError, UsageError


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words in the form that ``_words`` returns: lower case, without accents. English, German, Spanish,
# French, Italian, Portuguese, Dutch, Scandinavian, Chinese, Japanese, Korean.
_GOOD = _set_of(
    """
    good ok okay normal nominal pass passed passing fine accept accepted acceptable conform
    conforms conforming conformant compliant flawless faultless undamaged unbroken uncracked
    intact sound healthy perfect satisfactory defectfree nodefect nodefects nondefective
    gut gute guter gutes gutteil gutteile io fehlerfrei einwandfrei bestanden mangelfrei akzeptiert
    bueno buena buenos buenas bien correcto correcta aceptado aceptada aceptable apto apta conforme
    conformes bon bonne bons bonnes correct accepte acceptee sain saine
    buono buona buoni buone accettato accettata accettabile idoneo sano sana
    bom boa bons aprovado aprovada goed goede goedgekeurd bra godkand godkjent
    良品 合格 合格品 正常 正常品 良 양품 정상
    """
)

# Each of these words marks the name of a defect class, whatever else it contains
# (``good_scratch``).
_BAD = _set_of(
    """
    bad ng nok nio ko nogood notgood notok nonok abnormal fail failed failing failure reject
    rejected scrap faulty broken
    defect defects defective def fault faults flaw flaws flawed damage damages damaged crack
    cracks cracked scratch scratches scratched dent dents dented blowhole blowholes
    porosity pinhole pinholes burr burrs chipped stain stains stained
    contamination anomaly anomalies anomalous error errors crazing rust missing
    fehler fehlerhaft schlecht mangel mangelhaft ausschuss kratzer riss risse
    defecto defectos defectuoso malo mala defaut defauts defectueux mauvais
    difetto difetti difettoso cattivo scarto defeito defeitos ruim
    """
)

# Negations of the next good or bad word: ``not_ok``, ``no_defects``, ``ohne Fehler``.
_NOT = _set_of(
    """
    not no non isnt nicht kein keine keinen pas niet geen ikke inte
    without ohne sin sans senza sem
    """
)
_NOT_GOOD = _NOT | {"ab", "un", "n"}
_NOT_BAD = _NOT | {"free", "zero"}


ONLY_GOOD = "To learn from good parts only, add `--learn good`; or add photos of defects"


def recognise_good(classes: Sequence[str]) -> str | None:
    """The single class with a name that means good; None if no class or several have one.

    A name is split into words (``def_front``, ``OkFront``, ``ok2`` and accents are handled). It
    must contain a word such as ok, good, normal, pass, gut, i.O., bueno or bon. It must not
    contain a negation before that word (``not_ok``, ``n.i.O.``, ``non conforme``) or a word for a
    defect (``good_scratch``), unless that word is negated itself (``no_defects``,
    ``defect-free``).
    """
    good = [name for name in classes if _means_good(name)]
    return good[0] if len(good) == 1 else None


def choose_good(classes: Sequence[str], good: str | None) -> tuple[str, ...]:
    """The good classes: those named in ``good``, or the recognised class if ``good`` is None.

    ``good`` is a class or several, separated by commas; a class whose own name has a comma wins.
    ``good="none"`` (in any case, unless a class has that name) means that every class is a
    defect; the result is empty. Raises ``DataError`` if ``good`` is None and no single name is
    recognised, or if no class is left for the defects, and ``UsageError`` if ``good`` names no
    class.
    """
    if good is None:
        found = recognise_good(classes)
        if found is None:
            raise _not_recognised(classes)
        return (found,)
    wanted = unicodedata.normalize("NFC", good)
    if _class_named(wanted, classes) is None and wanted.strip().casefold() == "none":
        return ()
    chosen = _classes_named(wanted, classes)
    if len(chosen) == len(classes) > 1:
        raise DataError(
            f"--good {good} names every class as good: {_listed(classes)}.", f"{ONLY_GOOD}."
        )
    return tuple(sorted(chosen))


def only_one_class(classes: Sequence[str]) -> str:
    """The hint for photos that are all of one class; empty for none."""
    if not classes:
        return ""
    sure = len(classes) == 1 and _means_good(classes[0])
    return f"{ONLY_GOOD}. " if sure else f"If all photos are of good parts: {ONLY_GOOD}. "


def _not_recognised(classes: Sequence[str]) -> DataError:
    named = [name for name in classes if _means_good(name)]
    message = (
        "Expected one class with a name that means good, but cannot identify it. "
        f"The classes are {_listed(classes)}."
    )
    if len(named) == len(classes):
        message = f"Every class has a name that means good: {_listed(classes)}."
    hint = (
        "Name the good class with `--good CLASS`, or use `--good none` if every class is a defect."
    )
    if groups := alike(dict.fromkeys(named, 0)):
        hint = f"If they are one class, join them: `{rename_flag(groups)}`. {hint}"
    elif named and len(named) == len(classes):
        hint = f"{ONLY_GOOD}. If some of these classes are defects: {hint}"
    elif named:
        several = f"`--good {quoted(','.join(named))}`"
        hint = f"If several classes are good, name them: {several}. {hint}"
    return DataError(message, hint)


def _classes_named(text: str, classes: Sequence[str]) -> set[str]:
    """The classes in a list separated by commas; the longest name at each place wins."""
    pieces, chosen, at = text.split(","), set[str](), 0
    while at < len(pieces):
        ends = range(len(pieces), at, -1)
        found = ((end, _class_named(",".join(pieces[at:end]), classes)) for end in ends)
        end, name = next(((end, name) for end, name in found if name is not None), (0, ""))
        if not end:
            raise UsageError(
                f"Expected a class in --good, but found {pieces[at].strip()!r}. The classes are "
                f"{_listed(classes)}.",
                "Use one of these, or `--good none` if every class is a defect. Several good "
                "classes are separated by commas.",
            )
        chosen.add(name)
        at = end
    return chosen


def _class_named(text: str, classes: Sequence[str]) -> str | None:
    """The class with this name, else the only class with this name in another case."""
    for wanted in (text, text.strip()):
        if wanted in classes:
            return wanted
    alike_in_case = [n for n in classes if n.casefold() == text.strip().casefold()]
    return alike_in_case[0] if len(alike_in_case) == 1 else None


def _means_good(name: str) -> bool:
    words = _words(name)
    good = False
    for at, word in enumerate(words):
        before = words[:at]
        if word in _BAD:
            # "no_defects" and "free of defects", or "defect-free"
            if _NOT_BAD.isdisjoint(before) and words[at + 1 : at + 2] != ["free"]:
                return False
            good = True
        elif word in _GOOD:
            # "no_defects_ok": the negation applies only to the first bad word.
            if not good and not _NOT_GOOD.isdisjoint(before):
                return False
            good = True
    return good


def _words(name: str) -> list[str]:
    """Lower-case words without accents, split at camelCase and at all but letters."""
    letters = (c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    plain = unicodedata.normalize("NFC", "".join(letters))  # recompose Korean
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    spaced = " ".join(re.findall(r"[^\W\d_]+", plain)).lower()
    # Abbreviations that the split separates: i.O., iO, n.i.O., niO, n.O.K., N.G.
    for short in ("nio", "nok", "ng", "io", "ok"):
        spaced = re.sub(rf"\b{' ?'.join(short)}\b", short, spaced)
    return re.sub(r"\bin ordnung\b", "io", spaced).split()


def _listed(classes: Sequence[str]) -> str:
    return ", ".join(classes)
