import pytest

from fastdefect.data.reading.good_class import choose_good, recognise_good
from fastdefect.errors import DataError, UsageError

SAYS_GOOD = """
good GOOD Good good_part GoodPart good2 2_good ok OK Ok ok_front OkFront okFront OKFront O.K. okay
normal pass Passed fine accepted acceptable conforming conforme intact sound flawless undamaged
gut Gutteile iO i.O. IO I.O. Teil_iO in_Ordnung fehlerfrei bueno bien bon buono godkänd 良品 양품
defect_free DefectFree defect-free defectfree no_defect no_defects NoDefect non-defective
without_defects free_of_defects no_crack not_damaged zero_defects no_defects_ok
ohne_Fehler sans_défaut sin_defectos senza_difetti accepté hole_ok
""".split()

SAYS_NO_SUCH_THING = """
not_ok not-ok notok NotOK no_good NoGood nok NOK n.O.K. ng N.G. nio niO n.i.O. NIO NiO nicht_i.O.
nicht_in_Ordnung abnormal ab-normal non_conforme nonconforming unacceptable bad defect def_front
good_scratch not_good not_really_good pas_bon no_apto fail reject KO 不良品 kein_gut incorrect
book token passage bonnet goodness in_crack n_scratch scratch front positive 1 _
""".split()


@pytest.mark.parametrize("name", SAYS_GOOD)
def test_names_of_a_good_class(name: str) -> None:
    assert recognise_good(["scratch", name]) == name
    assert recognise_good([name, "Riss", "blowhole"]) == name


@pytest.mark.parametrize("name", SAYS_NO_SUCH_THING)
def test_names_of_other_classes(name: str) -> None:
    assert recognise_good(["first", name]) is None
    assert recognise_good(["good", name]) == "good"


def test_spaces_and_accents() -> None:
    assert recognise_good(["pièces sans défaut", "rayée"]) == "pièces sans défaut"
    assert recognise_good(["nicht in Ordnung", "in Ordnung"]) == "in Ordnung"
    assert recognise_good(["non conforme", "conforme"]) == "conforme"


def test_several_or_none_are_not_guessed() -> None:
    assert recognise_good(["good", "ok", "scratch"]) is None
    assert recognise_good(["crazing", "patches"]) is None
    assert recognise_good([]) is None


def test_the_castings() -> None:
    assert choose_good(["def_front", "ok_front"], None) == ("ok_front",)


@pytest.mark.parametrize("classes", [["crazing", "patches"], ["good", "ok"]])
def test_an_unknown_good_class_is_an_error(classes: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        choose_good(classes, None)
    assert ", ".join(classes) in caught.value.message
    assert "`--good CLASS`" in caught.value.hint
    assert "`--good none`" in caught.value.hint


def test_the_good_class_is_named() -> None:
    assert choose_good(["crack", "gréen"], "gréen") == ("gréen",)
    assert choose_good(["crack", "gréen"], "gre\u0301en") == (
        "gréen",
    )  # decomposed, as macOS types
    assert choose_good(["Crack", "Green"], "GREEN") == ("Green",)
    assert choose_good(["ok", "OK", "bad"], "OK") == ("OK",)
    assert choose_good(["good", "bad"], "bad") == ("bad",)  # named is named


@pytest.mark.parametrize("none", ["none", "None", "NONE"])
def test_none_is_good(none: str) -> None:
    assert choose_good(["ok", "crack"], none) == ()


def test_a_class_called_none_is_a_class() -> None:
    assert choose_good(["None", "crack"], "none") == ("None",)
    assert choose_good(["none", "crack"], "none") == ("none",)


@pytest.mark.parametrize(("classes", "good"), [(["a", "b"], "c"), (["ok", "OK"], "Ok")])
def test_a_wrong_name_lists_the_classes(classes: list[str], good: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_good(classes, good)
    assert repr(good) in caught.value.message
    assert ", ".join(classes) in caught.value.message
    assert "--good none" in caught.value.hint


def test_several_good_classes() -> None:
    classes = ["crack", "ok_back", "ok_front"]
    assert choose_good(classes, "ok_front,ok_back") == ("ok_back", "ok_front")
    assert choose_good(classes, "OK_front, ok_back, ok_front") == ("ok_back", "ok_front")
    with pytest.raises(UsageError, match="found 'ok_side'"):
        choose_good(classes, "ok_front,ok_side")


def test_a_class_whose_own_name_has_a_comma_wins() -> None:
    assert choose_good(["a", "b", "a,b"], "a,b") == ("a,b",)
    assert choose_good(["a", "a,b", "c", "crack"], "c,a,b") == ("a,b", "c")


def test_the_refusal_proposes_all_good_classes() -> None:
    with pytest.raises(DataError) as caught:
        choose_good(["crack", "ok_back", "ok_front"], None)
    assert "`--good ok_back,ok_front`" in caught.value.hint


def test_the_refusal_proposes_to_join_one_class_in_two_spellings() -> None:
    with pytest.raises(DataError) as caught:
        choose_good(["OK", "crack", "ok"], None)
    assert "`--rename ok=OK`" in caught.value.hint


@pytest.mark.parametrize("good", [None, "ok_back,ok_front"])
def test_only_good_classes(good: str | None) -> None:
    with pytest.raises(DataError, match="ok_back, ok_front") as caught:
        choose_good(["ok_back", "ok_front"], good)
    assert "add `--learn good`" in caught.value.hint
