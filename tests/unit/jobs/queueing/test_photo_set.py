import pytest

from fastdefect.jobs.queueing.photo_set import inside


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("good/1.jpg", "good/1.jpg"),
        ("/mnt/good/1.jpg", "run/abababababababab-1.jpg"),
        ("../good/1.jpg", "run/abababababababab-1.jpg"),
        ("good/../../1.jpg", "run/abababababababab-1.jpg"),
        ("C:/good/1.jpg", "run/abababababababab-1.jpg"),
    ],
)
def test_a_photo_of_a_run_keeps_its_name_if_that_is_inside_the_set(name: str, path: str) -> None:
    assert inside(name, "ab" * 32) == path
