"""WikiText-103: all good articles of Wikipedia of 2016, about 540 MB; its test part is that of WikiText-2."""

from groundup.datasets._wikitext import wikitext

DATASET = wikitext(
    "wikitext_103",
    "All good articles of Wikipedia in 2016: 540 MB to learn, and the validation and test of WikiText-2.",
    "wikitext-103-raw-v1",
)
