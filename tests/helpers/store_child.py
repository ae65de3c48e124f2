"""Add and answer inspections in an endless loop; print what is acknowledged, to be killed.

    python -m helpers.store_child FOLDER

A line is ``added ID SHA256 SHA256`` or ``answered NUMBER ID``.
"""

import os
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from fastdefect.serving.store import Store
from helpers.stores import MODEL, new_look


def main(folder: Path) -> None:
    with Store.open(folder) as store:
        store.register(MODEL)
        for i in count():
            batch = [
                new_look(
                    f"{os.getpid()}-{i}-{j}",
                    at=datetime.now(UTC),
                    contents=[os.urandom(20_000), os.urandom(20_000)],
                    key=f"key {os.getpid()}-{i}-{j}",
                )
                for j in range(3)
            ]
            for each in store.add(batch):
                photos = " ".join(photo.sha256 for photo in each.photos)
                say(f"added {each.id} {photos}")
            answer = store.answer(batch[0].id, "defect", "crack", "Ann")
            say(f"answered {answer.number} {batch[0].id}")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
