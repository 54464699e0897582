"""`make pictures`: the pictures of the README, made of what a user sees. Needs Chromium to turn pages into PNG."""

import io
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console

from vitalcore.analyze import analyze
from vitalcore.cli.board import Board
from vitalcore.results import report
from vitalcore.samples import demo
from vitalcore.streams import Engine, Gateway, Player, Subscriber

HERE = Path(__file__).resolve().parent
SECONDS = 30
LOOPBACK = "tcp://127.0.0.1:*"
# no font of a fixed width is sure to have Braille: each character gets a cell
PAGE = """<style>
i {{ display: inline-block; width: 9.03px; font: 12px "DejaVu Sans"; overflow: hidden; vertical-align: bottom }}
</style>
<body style="margin:0;padding:16px;background:#111;color:#ddd">
<pre style="font:15px/1.15 'DejaVu Sans Mono',monospace">{code}</pre></body>"""


def live() -> str:
    """Play the demo's recording to an engine and return the board as a page."""
    engine, stop, board = Engine(LOOPBACK, LOOPBACK, LOOPBACK), threading.Event(), Board("vitalcore demo")
    thread = threading.Thread(target=engine.run, args=(stop,))
    thread.start()
    engine.ready.wait()
    ends = engine.endpoints
    with Subscriber(ends["live"], ends["control"], "demo/") as subscriber, Gateway(ends["ingest"]) as gateway:
        subscriber.status()
        player = Player(demo(SECONDS), gateway, "demo/p1/room", duration_s=SECONDS)
        while not player.done:
            player.play()
            gateway.poll(1)
            while (message := subscriber.receive()) is not None:
                board.take(message)
        time.sleep(0.2)
    stop.set()
    thread.join()
    console = Console(record=True, width=110, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(board)
    page = console.export_html(code_format=PAGE, inline_styles=True)
    return "".join(f"<i>{c}</i>" if "\u2800" <= c <= "\u28ff" or c == "▲" else c for c in page)


def main() -> None:
    """Write docs/live.png and docs/report.png."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("make pictures needs Chromium (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as folder:
        page, document = Path(folder, "live.html"), Path(folder, "report.html")
        page.write_text(live())
        report.write(analyze(demo(SECONDS)), document)
        for source, name, size in ((page, "live.png", "1040,545"), (document, "report.png", "1000,1500")):
            options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={size}"]
            shot = [f"--screenshot={HERE / name}", f"--user-data-dir={folder}/profile", source.as_uri()]
            subprocess.run([chromium, *options, *shot], check=True, capture_output=True, timeout=60)
            print(HERE / name)


if __name__ == "__main__":
    main()
