"""Speed tables, scores and faults: `python -m benchmarks [accuracy|faults] [NAME ...] [OPTIONS OF THE TABLE]`.

Without a name all speed tables; `accuracy` alone: all scores; `faults` alone: all faults, `--long` in their long form.
"""

import importlib
import sys

from benchmarks.faults import rows

SPEED = ("filters", "detection", "face", "live", "ward")
ACCURACY = ("qrs", "classes", "rhythm", "waves", "alarms", "signals", "ppg", "face", "breath")
PLAIN = ("ppg", "face", "breath")  # take no options


def main(arguments: list[str]) -> None:
    """Run the named tables one after the other; what follows an option goes to each of them."""
    at = next((k for k, each in enumerate(arguments) if each.startswith("-")), len(arguments))
    wanted, options = arguments[:at], arguments[at:]
    there: tuple[str, ...] = SPEED
    prefix = ""
    if wanted[:1] == ["accuracy"]:
        wanted, there, prefix = wanted[1:], ACCURACY, "accuracy."
    elif wanted[:1] == ["faults"]:
        wanted, there = wanted[1:], rows.PARTS
    names = [name for name in wanted if name in there]
    options = [name for name in wanted if name not in there] + options
    if wanted and not names:
        known = f"{', '.join(SPEED)}; accuracy {', '.join(ACCURACY)}; faults {', '.join(rows.PARTS)}"
        sys.exit(f"no table is called {wanted[0]}; there are {known}")
    if there is rows.PARTS:
        rows.main(names or there, "--long" in options)
    for name in names or there:
        print(flush=True)
        module = importlib.import_module(f"benchmarks.{prefix}{name}")
        if prefix and name not in PLAIN:
            module.main(options)
        else:
            module.main()


if __name__ == "__main__":
    main(sys.argv[1:])
