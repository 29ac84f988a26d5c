"""Plain technical English: words and turns that a reader has to decode stay out of code and README."""

import re

import pytest

from tests.conftest import ROOT

FILES = [
    *ROOT.glob("timesformer/**/*.py"),
    *ROOT.glob("tools/*.py"),
    ROOT / "README.md",
    *ROOT.glob("docs/*.md"),
]
BANNED = {  # what is banned -> what to write
    r"lifesigns?|life sign": "heartbeat",
    r"spokes(man|person)": "local rank 0",
    r"agreement": "resume_check",
    r"(?<!there )\bis no (?!longer|more\b)": "is not a",
    r"\bgoes on\b": "continues, resumes",
    r"\bwhatever\b": "any, every, whichever",
    r"\bmay not say\b": "rules for",
    r"\bmeets it\b": "the place where it occurs",
    r"\bwithout a word\b": "without reporting an error",
    r"\bharmed\b": "corrupted",
    r"\bof (those|the others),? that\b": "the noun itself",
    r"\bwant of\b": "lack of",
}


@pytest.mark.parametrize("pattern", BANNED)
def test_banned_words_are_not_used(pattern):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line, re.IGNORECASE)
    ]
    assert not found, f"write {BANNED[pattern]}:\n" + "\n".join(found)
