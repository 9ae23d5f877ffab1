"""WikiText-2: 720 good articles of Wikipedia, about 13 MB, the small classic among the benchmarks."""

from groundup.datasets._wikitext import wikitext

DATASET = wikitext(
    "wikitext_2",
    "Good articles of Wikipedia, one by one: 600 to learn, 60 to validate, 60 to test.",
    "wikitext-2-raw-v1",
)
