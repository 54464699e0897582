"""A comparison as files: a page for people, a Parquet table for machines."""

import json
import os
from collections.abc import Iterator
from html import escape
from pathlib import Path

from vitalcore.errors import VitalcoreError
from vitalcore.scoring.report import Report, Section

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} - vitalcore score</title>
<style>
body {{ font: 15px/1.5 Helvetica, Arial, sans-serif; color: #1b2733; max-width: 1180px; margin: 2em auto;
  padding: 0 1.2em }}
h1 {{ font-size: 1.6em }}
h2 {{ font-size: 1.15em; margin: 2em 0 .2em }}
p {{ color: #5a6875; margin: .2em 0; max-width: 60em }}
div {{ overflow-x: auto }}
table {{ border-collapse: collapse; margin: .6em 0 }}
th, td {{ text-align: right; padding: .2em 0 .2em 1.2em; white-space: nowrap; font-variant-numeric: tabular-nums }}
th:first-child, td:first-child {{ text-align: left; padding-left: 0 }}
.rules td {{ text-align: left; white-space: normal; vertical-align: top }}
.rules td:first-child {{ white-space: nowrap; color: #5a6875 }}
tr {{ border-bottom: 1px solid #dfe5ea }}
thead tr {{ border-bottom: 2px solid #1f5fa8 }}
details {{ margin: 1.5em 0 }}
summary {{ cursor: pointer; font-weight: 600 }}
</style></head><body>
{body}
</body></html>
"""


def write(report: Report, folder: Path) -> list[Path]:
    """Write score.html and score.parquet into a folder, each complete or not at all.

    Errors: VitalcoreError where they can't be written.
    """
    done = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, make in (("score.parquet", _parquet), ("score.html", _html)):
            path = folder / name
            draft = path.with_suffix(".part")
            make(report, draft)
            os.replace(draft, path)
            done.append(path)
    except OSError as error:
        raise VitalcoreError(f"{folder}: can't be written ({error.strerror or error})") from None
    return done


def render(report: Report) -> str:
    """Make the page: one file, nothing to be fetched."""
    body = [f"<h1>{escape(report.title)}</h1>", '<table class="rules">']
    body += [f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in report.rules]
    body.append("</table>")
    for section in report.sections:
        body += _section(section)
    if report.left_out:
        body.append(f"<details><summary>Left out: {len(report.left_out)}</summary><ul>")
        body += [f"<li>{escape(each)}</li>" for each in report.left_out]
        body.append("</ul></details>")
    return _PAGE.format(title=escape(report.title), body="\n".join(body))


def _section(section: Section) -> Iterator[str]:
    yield (
        f"<details><summary>{escape(section.title)}</summary>"
        if section.detail
        else f"<h2>{escape(section.title)}</h2>"
    )
    if section.note:
        yield f"<p>{escape(section.note)}</p>"
    if section.rows:
        yield f"<div><table><thead>{_row(section.head, 'th')}</thead><tbody>"
        yield from (_row(cells, "td") for cells in section.rows)
        yield "</tbody></table></div>"
    if section.detail:
        yield "</details>"


def _row(cells: tuple[str, ...], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _html(report: Report, path: Path) -> None:
    path.write_text(render(report), encoding="utf-8")


def _parquet(report: Report, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"value": pa.float64(), "part": pa.float64(), "whole": pa.float64()}
    names = ("record", "section", "item", "value", "unit", "part", "whole")
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
    columns = {name: [getattr(figure, name) for figure in report.figures] for name in names}
    rules = {"title": report.title, **dict(report.rules)}
    told = {b"vitalcore.score": json.dumps(rules, ensure_ascii=False).encode()}
    pq.write_table(pa.table(columns, schema=schema).replace_schema_metadata(told), path, compression="zstd")
