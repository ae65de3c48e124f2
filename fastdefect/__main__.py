"""``python -m fastdefect``."""

from fastdefect.cli import main

if __name__ == "__main__":
    main()
