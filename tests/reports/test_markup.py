"""Markup: whatever text goes in comes out of a strict parser as that text, and as nothing else."""

import re
import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from langfield.reports.markup import Markup, escaped, joined, tag

_NO_XML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def shown(text: str) -> str:
    """The text as a parser of XML gives it back: what XML cannot hold replaced, line ends as \n."""
    return _NO_XML.sub("\ufffd", text).replace("\r\n", "\n").replace("\r", "\n")


@given(st.text(st.characters(codec=None)))
def test_any_text_stays_text_in_an_element_and_in_an_attribute(text: str):
    element = ElementTree.fromstring(tag("p", text, title=text))
    assert (element.text or "") == shown(text)
    assert element.get("title") == re.sub(r"[\t\n]", " ", shown(text))
    assert list(element) == []
    assert set(element.attrib) == {"title"}


def test_markup_is_put_in_as_it_is_and_text_never_is():
    assert tag("p", tag("b", "a & b"), "<i>", None) == "<p><b>a &amp; b</b>&lt;i&gt;</p>"
    assert joined("<", Markup("<br />"), None) == "&lt;<br />"
    assert escaped("\"'") == "&quot;&#x27;"
    assert escaped(escaped("<")) == "&lt;"


def test_attributes_are_spelled_as_html_has_them():
    assert tag("td", class_="n", data_value=0.1234567, hidden=True, title=None, open=False) == (
        '<td class="n" data-value="0.123457" hidden="hidden"></td>'
    )
    assert tag("meta", name="viewport", content="a") == '<meta name="viewport" content="a" />'
    assert tag("a", title="") == '<a title=""></a>'
