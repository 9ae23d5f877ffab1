"""The sentences say what the numbers say."""

import pytest

from groundup import report
from groundup.report import numerals, words
from groundup.report.page import page
from groundup.report.read import read


@pytest.mark.parametrize(
    "value, said",
    [(512, "512"), (83_456, "83,456"), (834_567, "835,000"), (1_612_288, "1.6 million"),
     (999_999, "1 million"), (124_439_808, "124 million"), (1_557_611_200, "1.6 billion")],
)  # fmt: skip
def test_counts_are_said_as_people_say_them(value, said):
    assert numerals.count(value) == said


@pytest.mark.parametrize(
    "seconds, said",
    [(1, "1 second"), (45.4, "45 seconds"), (180, "3 minutes"), (3600, "60 minutes"),
     (7800, "2 hours 10 minutes"), (10_800, "3 hours")],
)  # fmt: skip
def test_times_are_said_as_people_say_them(seconds, said):
    assert numerals.duration(seconds) == said


@pytest.mark.parametrize(
    "value, said",
    [(0.0006, "0.0006"), (1.2e-05, "0.000012"), (0.25, "0.25"), (31_415.9, "31,416"), (0.0, "0")],
)
def test_measured_numbers_have_no_exponent_where_that_can_be_read(value, said):
    assert numerals.plain(value) == said


@pytest.mark.parametrize(
    "value, said", [(0.0006, "0.0006"), (800, "800"), (12_000, "12k"), (1_500_000, "1.5M")]
)
def test_ticks_are_short(value, said):
    assert numerals.compact(value) == said


def headline(folder):
    return words.headline(read(folder)).replace("\N{NO-BREAK SPACE}", " ")


def test_the_headline_tells_size_time_loss_and_distance_to_the_best_possible(make_run):
    # The last validation is 0.52 + 2.48 exp(-100/12) = 0.5206, and 0.5206 / 0.5 - 1 = 4.1 %.
    assert headline(make_run()) == (
        "A GPT of 1.6 million parameters learned the village corpus in 3 minutes: "
        "0.521 bits per byte, 4.1 % above the best possible 0.500."
    )


def test_the_headline_of_an_own_text_names_the_file_and_no_floor(make_run):
    folder = make_run(floor=None, facts={"data": {"source": "books/my_book.txt"}})
    assert headline(folder) == (
        "A GPT of 1.6 million parameters learned my_book.txt in 3 minutes: 0.521 bits per byte on new text."
    )


@pytest.mark.parametrize(
    "status, begins", [("running", "is learning"), ("interrupted", "was stopped at step 100")]
)
def test_the_headline_says_when_a_run_is_not_finished(make_run, status, begins):
    assert begins in headline(make_run(status=status))


def test_a_run_whose_process_was_killed_is_not_running(make_run):
    run = make_run(status="running")
    make_run.held.close()  # as the system lets go of a lock when its process ends
    assert "was stopped at step 100" in headline(run)


def test_a_loss_below_the_floor_is_called_what_it_is(make_run):
    line = {"kind": "validation", "step": 9, "loss": 1.0, "bits_per_byte": 0.495, "floor_bits_per_byte": 0.5}
    assert "1.0 % below the floor of 0.500, which only luck or seen texts can do" in headline(
        make_run(metrics=[line])
    )


def test_the_curve_is_told_with_its_ends_and_the_gain_of_the_last_tenth(make_run):
    # From step 90 to 100 the curve falls from 0.52137 to 0.52060.
    assert words.validation_sentence(read(make_run())) == (
        "The validation loss fell from 3.00 to 0.521 bits per byte; the last tenth of the run gained 0.001, "
        "and 0.021 is left above the floor."
    )


def validations(*values):
    steps = (
        {"kind": "validation", "step": 10 * i, "loss": v, "bits_per_byte": v} for i, v in enumerate(values)
    )
    return list(steps)


def test_a_loss_that_rises_again_is_called_learning_by_heart(make_run):
    run = read(make_run(floor=None, metrics=validations(3.0, 1.8, 1.6, 1.9)))
    assert words.validation_sentence(run) == (
        "The validation loss fell from 3.00 to 1.90 bits per byte; it was lowest, 1.60, at step 20, and rose "
        "after that: the model began to learn its training text by heart."
    )


def test_the_gap_between_training_and_validation_is_in_nats(make_run):
    lines = [{"kind": "train", "step": step, "loss": 2.0} for step in range(1, 41)] + validations(3.0, 2.5)
    assert words.loss_sentence(read(make_run(metrics=lines))) == (
        "The training loss went from 2.00 to 2.00 nats per token, and on new text it is 0.50 higher."
    )


def test_a_run_that_diverged_says_so(make_run):
    lines = [{"kind": "train", "step": 1, "loss": 2.0}, {"kind": "train", "step": 2, "loss": float("nan")}]
    assert "at 1 step it was not a finite number" in words.loss_sentence(read(make_run(metrics=lines)))


def test_the_schedule_is_told_with_peak_and_end(make_run):
    rates = [0.001, 0.002, 0.0015, 0.0002]
    lines = [{"kind": "train", "step": i, "loss": 1.0, "learning_rate": r} for i, r in enumerate(rates, 1)]
    assert words.rate_sentence(read(make_run(metrics=lines)).train) == (
        "The learning rate rose to 0.002 by step 2 and has come down to 0.0002."
    )


def test_what_is_learned_is_counted_from_the_floor(make_run):
    metrics = validations(2.5, 1.0, 0.75) + [{"kind": "train", "step": 1, "loss": 1.0}]
    # 400 % above the floor of 0.5 at the start, 50 % at the end: 7 of 8 parts are gone.
    said = words.excess_sentence(read(make_run(metrics=metrics))).replace("\N{NO-BREAK SPACE}", " ")
    assert said.endswith("shrank from 400 % to 50 %: 87.5 % of what there was to learn is learned.")


def followed(*costs):
    """Validations that tell what each cause costs, in bits per document."""
    return [
        line | {"excess_bits_per_document": dict(cost)}
        for line, cost in zip(validations(*(3.0 - 0.1 * i for i in range(len(costs)))), costs, strict=True)
    ]


def test_what_each_cause_has_left_is_told_soonest_learned_first(make_run):
    start = {"fact": 100.0, "free": 200.0, "grammar": 400.0, "spelling": 0.3}
    end = {"fact": 60.0, "free": 20.0, "grammar": 4.0, "spelling": 0.1}
    run = read(make_run(metrics=followed(start, end)))
    assert words.causes_sentence(run).replace("\N{NO-BREAK SPACE}", " ") == (
        "What is left of the bits that each cost at step 0: grammar 1.0 %, free choices 10 % and facts that "
        "the text has settled 60 %."
    )


def a_score(metric, value, interval=None, chance=None, n=128):
    return {
        "task": "village", "metric": metric, "value": value, "interval": interval, "n": n, "chance": chance,
        "protocol": "so", "version": 1,
    }  # fmt: skip


def test_an_evaluation_is_told_in_sentences():
    records = [
        a_score("bits_per_byte", 0.4567, (0.45, 0.46)),
        a_score("excess_percent", 12.34, (12.0, 12.7)),
        a_score("facts_learned", 0.83, (0.81, 0.85), chance=0.141),
        a_score("possible_samples", 0.25, (0.18, 0.33)),
        a_score("possible_part", 0.6),
        a_score("excess_bits", 20.6),
        a_score("excess_bits_fact", 9.0),
        a_score("excess_bits_free", 11.5),
        a_score("excess_bits_grammar", 0.06),
        a_score("excess_bits_spelling", 0.04),
    ]
    assert report.tell(records) == [
        "Loss on new text: 0.457 bits per byte, 12 % [12 % to 13 %] above the best possible.",
        "Facts learned: 83 % [81 % to 85 %] of the words that the text before them has settled; one who "
        "ignores that text guesses 14 %.",
        "Possible documents: 25 % [18 % to 33 %] of 128 that it wrote by itself; on average one stays "
        "possible for 60 % of its length.",
        "Of the 21 bits that it still pays too much for a document: 12 for free choices, 9.0 for facts that "
        "the text has settled, 0.06 for grammar and 0.04 for spelling.",
    ]
    assert report.tell(records[:1]) == ["Loss on new text: 0.457 bits per byte [0.450 to 0.460]."]
    assert report.tell([a_score("made_up", 1.0)]) == []


def test_the_speed_is_told_with_the_share_of_the_machine_that_it_is(make_run):
    def lines(**more):
        return [{"step": s, "seconds": 2.0 * s, "tokens_per_second": 500.0, **more} for s in (1, 2, 3)]

    told = words.speed_sentence(read(make_run(timing=lines(mfu=0.314))).timing)
    assert told.endswith("It made use of 31 % of the machine's matrix speed (MFU).")
    assert "MFU" not in words.speed_sentence(read(make_run("older", timing=lines())).timing)


def test_the_page_says_whether_the_run_was_compiled(make_run):
    assert "Compiled" in page(read(make_run(facts={"compiled": True})))
    assert "Compiled" not in page(read(make_run("older")))
