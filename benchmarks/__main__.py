"""`python -m benchmarks`: the speed tables; `python -m benchmarks accuracy`: the scores. Names pick single ones."""

import importlib
import sys

SPEED = ("filters", "detection", "face", "live", "ward")
ACCURACY = ("accuracy_ecg", "accuracy_ppg", "accuracy_face")


def main(names: list[str]) -> None:
    """Run the named tables one after the other; all speed tables where none is named."""
    wanted = [one for name in names or ["speed"] for one in {"speed": SPEED, "accuracy": ACCURACY}.get(name, (name,))]
    unknown = [name for name in wanted if name not in SPEED + ACCURACY]
    if unknown:
        sys.exit(f"no table is called {unknown[0]}; there are speed, accuracy, {', '.join(SPEED + ACCURACY)}")
    for name in wanted:
        print(flush=True)
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
