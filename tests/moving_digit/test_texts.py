"""The texts of the page: every key is used and exists, in all languages, and no text stands anywhere else."""

import re
from pathlib import Path

import pytest

from minicnn.errors import InputError
from minicnn.moving_digit import page as page_module
from minicnn.moving_digit import texts as texts_module
from minicnn.moving_digit.page import PANELS
from minicnn.moving_digit.texts import LANGUAGES, Texts, all_texts

SOURCES = Path(page_module.__file__).with_name("page")
PYTHON = [Path(page_module.__file__), Path(page_module.__file__).with_name("inline.py"),
          Path(page_module.__file__).parents[1] / "cli" / "commands" / "explore.py"]
NOUNS = ("digit", "picture")
WORDS = re.compile(r"[^\W\d_]{2,}[,.:;]? [^\W\d_]{2,}|^[A-Z][a-z]+$")       # what looks like a text in a script
CODE = re.compile(r"^color-mix\(|^\(prefers-|onmessage|^(Home|End|Escape|Enter|Tab|Shift|Delete|Infinity)$")


def sources(ending):
    return {path.relative_to(SOURCES).as_posix(): path.read_text("utf-8") for path in SOURCES.rglob(f"*.{ending}")}


def marks():
    return {key for text in sources("html").values() for key in re.findall(r"\{\{(\w+\.\w+)\}\}", text)}


def calls():
    """The first argument of each say(...), as patterns: a choice `a ? "x.y" : "x.z"` has two keys."""
    for name, text in (sources("js") | sources("html")).items():
        for call in re.findall(r"\bsay\(((?:[^,()`]|`[^`]*`|\([^()]*\))*)", without_comments(text)):
            for plain, template in re.findall(r'"(\w+\.\w+)"|`([^`]+)`', call):
                yield name, re.escape(plain) if plain else re.sub(r"\$\{[^}]*\}", r"\\w+", template)


def of_python():
    found = {f"tab.{name}" for name in PANELS} | {key for key in all_texts() if key.split(".")[0] in NOUNS}
    for path in PYTHON:
        for call in re.findall(r'texts\(([^,)]*)', path.read_text("utf-8")):
            found |= set(re.findall(r'"(\w+\.\w+)"', call))
    return found


def test_every_key_that_is_used_exists():
    assert marks() - set(all_texts()) == set() and of_python() - set(all_texts()) == set()
    unknown = {(name, key) for name, key in calls() if not any(re.fullmatch(key, one) for one in all_texts())}
    assert unknown == set() and marks() and of_python()


def test_every_key_is_used():
    patterns = {key for _, key in calls()}
    assert {key for key in set(all_texts()) - marks() - of_python()
            if not any(re.fullmatch(pattern, key) for pattern in patterns)} == set()


@pytest.mark.parametrize("key", all_texts())
def test_a_text_says_the_same_in_all_languages(key):
    found = all_texts()[key]
    assert tuple(found) == LANGUAGES
    places = {language: {one for one in re.findall(r"\{(\w+)\}", text) if "noun" not in one.lower()}
              for language, text in found.items()}
    assert places["en"] == places["de"] == places["fr"]
    for language, text in found.items():
        assert text and "  " not in text and "{{" not in text
        assert re.sub(r"\{\w+\}", "", text).count("{") == 0, (language, text)
        if language == "fr":
            assert not re.search(r"[^ \W][;!?]|\w:(?!\w)|'", text), text       # a space before, ’ for an apostrophe


def test_the_markup_has_no_text_of_its_own():
    for name, text in sources("html").items():
        text = re.sub(r"<(script|style)[^>]*>.*?</\1>|<!doctype html>", "", text, flags=re.DOTALL)
        text = re.sub(r"\{\{[\w.]+\}\}", "", text)
        for attribute, value in re.findall(r'([\w-]+)="([^"]*)"', text):
            if attribute in ("aria-label", "title", "aria-roledescription", "placeholder", "alt", "label"):
                assert not is_text(value), (name, attribute, value)
        said = [one.strip() for one in re.split(r"<[^>]*>", text)]
        assert [one for one in said if is_text(one)] == [], name


def is_text(words):
    """Whether there is a word of a language in it: not only x, T, φ(T x), |H|, 3×3."""
    return re.search(r"[^\W\d_]{2,}", words) is not None


def without_comments(script):
    return re.sub(r"(?m)(^|[\s;{])//.*$", r"\1", script)


def literals(script):
    """The strings of a script, without what is computed in them, and without errors that only a developer can cause."""
    script = re.sub(r"new Error\((`[^`]*`|\"[^\"]*\")", "", script)
    for double, single, template in re.findall(r'"((?:[^"\\\n]|\\.)*)"|\'([^\'\n]*)\'|`([^`]*)`',
                                               without_comments(script)):
        yield double or single or re.sub(r"\$\{[^}]*\}", "#", template)


def test_scripts_have_no_text_of_their_own():
    for name, script in sources("js").items():
        found = [text for text in literals(script) if WORDS.search(text)]
        assert [text for text in found if not CODE.search(text)] == [], name


def test_literals_are_found():
    script = 'throw new Error(`no such key`); '
    script += 'put("a", `The ${of(1)} ends`); // "no text"\nsay("a.b"); const s = "it\\"s here", t = \'two words\';'
    assert list(literals(script)) == ["a", "The # ends", "a.b", 'it\\"s here', "two words"]


def test_nouns_and_values():
    for language, noun in (("en", "digit"), ("de", "picture"), ("fr", "digit")):
        texts = Texts(language, noun, last="conv4")
        assert not any("noun}" in text or "{last}" in text for text in texts.table.values())
    with pytest.raises(InputError, match=r"language 'it': the page speaks en, de, fr: name one of these"):
        Texts("it")
    assert Texts("de").markup('<p title="{{page.undo}}">{{page.title}}</p>{{js}}') == (
        '<p title="Rückgängig">Eine Ziffer verschieben: was eine Faltung erhält</p>{{js}}')


def test_a_text_with_angle_brackets_is_no_markup(monkeypatch):
    monkeypatch.setattr(texts_module, "all_texts", lambda: {"a.b": dict.fromkeys(LANGUAGES, '<b>"&')})
    assert Texts("en").markup("<p>{{a.b}}</p>") == "<p>&lt;b&gt;&quot;&amp;</p>"
