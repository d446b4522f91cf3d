"""Lists of names stay short."""

from langfield.core.listing import shortened


def test_only_the_first_names_are_told():
    assert shortened(["a.jpg"]) == "a.jpg"
    assert shortened(["a.jpg", "b.jpg"]) == "a.jpg and b.jpg"
    assert shortened(["a.jpg", "b.jpg", "c.jpg"]) == "a.jpg, b.jpg and 1 more"
    assert shortened([f"{i}.jpg" for i in range(100)], shown=3) == "0.jpg, 1.jpg, 2.jpg and 97 more"
