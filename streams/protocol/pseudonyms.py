"""Subjects go by pseudonyms: what looks like a name, a date of birth or an insurance number is no stream's subject.

The rules are few and meant to be wrong seldom; they catch carelessness and prove nothing about what they let pass:

* a date: 8 digits that are one, read as year-month-day, day-month-year or month-day-year, with separators or without,
  also behind up to three letters (`19800412`, `12-04-1980`, `MA19800412`); years 1900 to 2099;
* the number of a German health insurance card: a letter and 9 digits (`A123456789`);
* a name: a single word that begins with a capital (`Mueller`), two or more of them (`Mueller.Anna`, `AnnaMueller`), an
  initial before or behind one (`A.Mueller`), or two words of which one is a common given name (`anna_mueller`).
"""

import datetime
import re

_KVNR = re.compile(r"[A-Za-z]\d{9}", re.ASCII)
_SPACED = re.compile(
    r"(?<![0-9])(?:(\d{4})([-._])(\d{1,2})\2(\d{1,2})|(\d{1,2})([-._])(\d{1,2})\6(\d{4}))(?![0-9])", re.ASCII
)
_CAPITAL = re.compile(r"[A-Z][a-z]+", re.ASCII)
_CAMEL = re.compile(r"[A-Z][a-z]{2,}([A-Z][a-z]{2,})+", re.ASCII)
_GIVEN = frozenset(
    """
    adam ahmed alexander ali alice amelie andrea andreas angelika anja anke anna anne anneliese annette anton
    antje barbara ben benjamin bernd bernhard birgit brigitte britta carla carmen charlotte christa christian
    christina christine christoph clara claudia cornelia daniel daniela david dennis dieter dirk dominik doris
    edith elena elias elif elisabeth elke ella emil emilia emily emma erika erwin esra eva fabian fatma felix finn
    florian frank franz frieda friedrich gabriele georg gerda gerhard gertrud gisela giulia greta guenter hannah
    hans harald heike heinrich heinz helga helmut henry herbert hildegard holger horst ida ilse inge ingeborg
    ingrid irmgard jakob james jana johanna johannes john jonas joerg josef juergen julia julian jutta karin karl
    karsten katharina kathrin katrin kerstin klara klaus kurt lara laura lea lena leon leonie lina linus lisa
    louis luca lucas luisa lukas manfred manuela marcel marco maria marie marina mario marion marlene martin
    martina mary matthias maximilian mehmet melanie mia michael michelle mohammed monika moritz mustafa nadine
    nele nico nicole niklas nina noah olaf oliver oskar patrick paul paula peter petra philipp pia rainer ralf
    rebecca reinhard renate robert roland rolf rosemarie rudolf ruth sabine sabrina sandra sara sarah sebastian
    silke silvia simon simone sofia sonja sophia sophie stefan stefanie steffen stephan susanne svenja sven sylvia
    tanja theo thomas thorsten tim tobias tom torsten ulrich ulrike ursula ute uwe vanessa vera volker walter
    werner wilhelm wolfgang yusuf yvonne zeynep
    """.split()  # noqa: SIM905 - a list of names a line each would be all this file is
)


def looks_like(subject: str) -> str:
    """Say what a subject looks like, such as "a date"; nothing if it may be a pseudonym."""
    words = re.split(r"[._-]", subject)
    if any(_KVNR.fullmatch(word) for word in words):
        return "the number of a health insurance card"
    if any(_is_date(word) for word in words) or any(_any_date(*_parts(found)) for found in _SPACED.finditer(subject)):
        return "a date"
    letters = [word for word in words if word.isalpha()]
    capitals = [word for word in letters if _CAPITAL.fullmatch(word) and len(word) > 2]
    initials = [word for word in letters if len(word) == 1]
    if (
        len(capitals) > 1
        or (capitals and initials)
        or (len(capitals) == len(words) == 1)
        or any(_CAMEL.fullmatch(word) for word in letters)
        or (len(letters) > 1 and any(word.lower() in _GIVEN for word in letters))
    ):
        return "a name"
    return ""


def shown(text: str) -> str:
    """Return a key, topic or prefix as logs may show it: without a subject that may be no pseudonym."""
    parts = text.split("/")
    for at, part in enumerate(parts):
        strange = part and not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", part, re.ASCII)
        if strange or (at == 1 and looks_like(part)):
            parts[at] = "?"
    return "/".join(parts[:6])


def _is_date(word: str) -> bool:
    digits = re.sub(r"\A[A-Za-z]{1,3}(?=\d)", "", word)
    if len(digits) != 8 or not digits.isdecimal():
        return False
    return _any_date(digits[:4], digits[4:6], digits[6:]) or _any_date(digits[4:], digits[2:4], digits[:2])


def _parts(found: "re.Match[str]") -> tuple[str, str, str]:
    if found[1]:
        return found[1], found[3], found[4]
    return found[8], found[7], found[5]


def _any_date(year: str, month: str, day: str) -> bool:
    """Tell whether this is a date, day and month in either order."""
    if not 1900 <= int(year) < 2100:
        return False
    for m, d in ((int(month), int(day)), (int(day), int(month))):
        try:
            datetime.date(int(year), m, d)
        except ValueError:
            continue
        return True
    return False
