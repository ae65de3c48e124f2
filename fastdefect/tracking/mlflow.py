"""MLflow: runs in the store of MLFLOW_TRACKING_URI, or in a database in the folder of the runs."""

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastdefect.tracking.tracker import Closing, Opening

# Read by MLflow. Its own defaults send usage data, and wait minutes for a server that is down.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_LONGEST = 500  # characters of a value that every version of MLflow stores
_LOGIN = re.compile(r"//[^/]*@")  # user:password@ in a URI
_NOT_A_NAME = re.compile(r"[^\w\-. :/]")


class MlflowRun:
    """A run of MLflow, nested in the run of ``opening.parent``."""

    def __init__(self, opening: Opening) -> None:
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            uri = f"sqlite:///{(opening.root / 'mlflow.db').resolve().as_posix()}"
        self.where = _where(uri)
        self._client: Any = MlflowClient(tracking_uri=uri)
        self.id, self.epochs = opening.id or "", 0
        if opening.id is None:
            self._create(opening)
            return
        self._client.update_run(self.id, status="RUNNING")
        # The store itself knows best what it has: a training can be killed before it notes it.
        self.epochs = int(self._client.get_run(self.id).data.metrics.get("epoch", 0))

    def _create(self, opening: Opening) -> None:
        from mlflow.entities import Param

        tags = {f"fastdefect.{key}": value for key, value in opening.about.items()}
        if opening.parent is not None:
            tags["mlflow.parentRunId"] = opening.parent
        run = self._client.create_run(
            self._experiment(opening.root), tags=tags, run_name=opening.name
        )
        self.id = run.info.run_id
        params = [Param(key, str(value)[:_LONGEST]) for key, value in opening.settings.items()]
        self._client.log_batch(self.id, params=params)

    def _experiment(self, root: Path) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "fastdefect")
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        # A server has its own place for files; without one, they are beside the database.
        local = not os.environ.get("MLFLOW_TRACKING_URI")
        place = (root / "mlflow-artifacts").resolve().as_uri() if local else None
        return str(self._client.create_experiment(name, artifact_location=place))

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Log the figures in one request, so that an epoch is logged whole or not at all."""
        self._log(figures, epoch)

    def close(self, closing: Closing) -> None:
        """Log figures and files, and end the run as finished, killed or failed."""
        self._log(closing.figures, closing.epochs)
        for file in closing.files:
            self._client.log_artifact(self.id, str(file))
        status = "KILLED" if closing.interrupted else "FAILED" if closing.failed else "FINISHED"
        self._client.set_terminated(self.id, status=status)

    def _log(self, figures: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [
            Metric(_NOT_A_NAME.sub("_", name), value, now, step) for name, value in figures.items()
        ]
        self._client.log_batch(self.id, metrics=metrics)


def _where(uri: str) -> str:
    """The store without its password, and how to see one that is on this computer."""
    shown = _LOGIN.sub("//", uri)
    if not shown.startswith(("sqlite:", "file:")):
        return shown
    # The extra installs only the client of MLflow; its pages are in the whole package.
    show = f'mlflow ui --backend-store-uri "{shown}"'
    return f"{shown}; show it, after python -m pip install mlflow, with: {show}"
