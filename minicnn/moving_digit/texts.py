"""The texts of the page of `minicnn explore`, in English, German and French.

All of them stand in `page/texts/texts.toml`, each in the three languages side by side.
"""

from __future__ import annotations

import html
import re
import tomllib
from functools import cache
from importlib.resources import files

from ..errors import InputError

LANGUAGES = ("en", "de", "fr")
_MARK = re.compile(r"\{\{(\w+\.\w+)\}\}")                       # of a text, in the markup
_PLACE = re.compile(r"\{(\w+)\}")                               # of a value, in a text


class Texts:
    """The texts in one language. `texts("maps.all", count="5")` is a text with its values.

    Parameters
    ----------
    language : {"en", "de", "fr"}
    noun : {"digit", "picture"}
        What is moved. Its forms, such as {the_noun}, stand in the texts already.
    **common : str
        Further values that all texts may have, such as {last}.

    Attributes
    ----------
    language : str
    table : dict of str
        All texts by their keys. The values of `common` stand in them, other {places} are still open.

    Raises
    ------
    InputError
        There is no such language.

    Examples
    --------
    >>> texts = Texts("fr")
    >>> texts("page.size", side="5×5"), texts("page.heading")
    (' (5×5)', 'Déplacer ou dessiner un chiffre')
    >>> Texts("de", "picture")("page.heading")
    'Ein Bild verschieben oder zeichnen'
    """

    def __init__(self, language: str, noun: str = "digit", **common: str) -> None:
        if language not in LANGUAGES:
            raise InputError(f"language {language!r}: the page speaks {', '.join(LANGUAGES)}: name one of these")
        chosen = {key: _typeset(one[language], language) for key, one in all_texts().items()}
        common = {key.removeprefix(f"{noun}."): text for key, text in chosen.items()
                  if key.startswith(f"{noun}.")} | common
        self.language = language
        self.table = {key: _filled(text, common) for key, text in chosen.items()}

    def __call__(self, key: str, **values: str) -> str:
        return _filled(self.table[key], values)

    def markup(self, text: str) -> str:
        """Markup with its marks {{section.key}} replaced by the texts, escaped."""
        return _MARK.sub(lambda mark: html.escape(self.table[mark[1]]), text)


@cache
def all_texts() -> dict[str, dict[str, str]]:
    """{"section.key": {"en": ..., "de": ..., "fr": ...}} of the whole file."""
    text = (files("minicnn.moving_digit") / "page" / "texts" / "texts.toml").read_text(encoding="utf-8")
    return {f"{section}.{key}": languages for section, keys in tomllib.loads(text).items()
            for key, languages in keys.items()}


def _filled(text, values):
    """The text with those values that are known.

    >>> _filled("{a} of {b}", {"a": "1"})
    '1 of {b}'
    """
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), text)


def _typeset(text, language):
    """French has a space before a colon, and no line begins with the colon.

    >>> _typeset("Voici : 3 %", "fr")
    'Voici\\xa0: 3\\xa0%'
    """
    return re.sub(r" (?=[:;?!»%])|(?<=«) ", "\u00a0", text) if language == "fr" else text
