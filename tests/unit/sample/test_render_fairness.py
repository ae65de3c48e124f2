"""The rendered sample has no way to cheat."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from helpers.rendered import labels
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastdefect.sample.render import (
    SampleSettings,
    render_sample,
)

# --- no shortcut -----------------------------------------------------------------------------


@dataclass
class Crowd:
    photos: np.ndarray  # (n, 48, 48, 3) float
    sizes: np.ndarray  # (n,) bytes
    names: np.ndarray  # (n,) serial numbers
    defective: np.ndarray  # (n,) bool


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    """One photo each of 360 parts: an AUC that means nothing has a standard error of 0.03."""
    root = tmp_path_factory.mktemp("crowd")
    path = render_sample(root, SampleSettings(n=360, seed=11, size=48, photos_per_part=1))
    rows = labels(path)
    files = [path.parent / row["path"] for row in rows]
    return Crowd(
        photos=np.stack([cv2.imread(str(file)) for file in files]).astype(float),
        sizes=np.array([file.stat().st_size for file in files]),
        names=np.array([int(row["part"].removeprefix("part-")) for row in rows]),
        defective=np.array([row["label"] == "defect" for row in rows]),
    )


def border(photos: np.ndarray) -> np.ndarray:
    """The four corners and the outermost lines: background and light, no metal."""
    ends = (slice(6), slice(-6, None))
    corners = [photos[:, y, x] for y in ends for x in ends]
    lines = [photos[:, 0, ::3], photos[:, -1, ::3], photos[:, ::3, 0], photos[:, ::3, -1]]
    return np.concatenate([block.reshape(len(photos), -1) for block in corners + lines], axis=1)


def overall(photos: np.ndarray) -> np.ndarray:
    """Brightness, contrast and colour of the whole photo."""
    return np.concatenate([photos.mean(axis=(1, 2)), photos.std(axis=(1, 2))], axis=1)


def auc_on_unseen_parts(features: np.ndarray, crowd: Crowd, model: str) -> float:
    """AUC of a small classifier, cross-validated; every photo of the crowd is another part."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    classifier = {
        "forest": RandomForestClassifier(60, min_samples_leaf=4, random_state=0),
        "line": make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)),
    }[model]
    scores = cross_val_predict(
        classifier, features, crowd.defective, cv=folds, method="predict_proba"
    )
    return float(roc_auc_score(crowd.defective, scores[:, 1]))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["forest", "line"])
def test_background_and_light_do_not_reveal_the_class(crowd: Crowd, model: str) -> None:
    assert abs(auc_on_unseen_parts(border(crowd.photos), crowd, model) - 0.5) < 0.1


@pytest.mark.slow
def test_brightness_and_contrast_do_not_reveal_the_class(crowd: Crowd) -> None:
    assert abs(auc_on_unseen_parts(overall(crowd.photos), crowd, "line") - 0.5) < 0.1


@pytest.mark.slow
def test_these_classifiers_find_a_shortcut_where_there_is_one(crowd: Crowd) -> None:
    lit = crowd.photos * np.where(crowd.defective, 1.12, 1.0)[:, None, None, None]
    assert auc_on_unseen_parts(border(lit), crowd, "forest") > 0.75
    assert auc_on_unseen_parts(overall(lit), crowd, "line") > 0.75


@pytest.mark.slow
def test_files_do_not_reveal_the_class(crowd: Crowd) -> None:
    for clue in (crowd.names, crowd.sizes, np.arange(len(crowd.names))):
        assert abs(roc_auc_score(crowd.defective, clue) - 0.5) < 0.1
