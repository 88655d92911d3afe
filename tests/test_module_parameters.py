"""The parameters that nbdkit 1.32 does not parse itself: probabilities and times.

If nbdkit has the function, it parses the text; otherwise the framework does. One table applies to
both.
"""

import pytest

import evaluating

PROBABILITIES = {
    "0": 0, "1": 1, "0.1": 0.1, "1e-1": 0.1, ".5": 0.5, "5.": 5, "+1": 1, " 1": 1, "0x10": 16,
    "10%": 0.1, "200%": 2, "1:10": 0.1, "1/10": 0.1, "1e2/1e3": 0.1, " 1: 2": 0.5, "3:2": 1.5,
    "0:1": 0, "0:0": 0, "0/0": 0, "0:-0": 0, "1:inf": 0, "1e-400": 0, "5e-324": 5e-324,
}  # fmt: skip
NO_PROBABILITIES = [
    "", " ", "x", "%", ":", "-1", "-0", "-0.0", "1:-2", "-1:-0", "1/0", "1:0", "inf", "infinity",
    "nan", "inf:inf", "nan:1", "1e400", "1:", ":1", "1:2:3", "1:2%", "1%/2", "10%%", "10 %", "1 :2",
    "1 ", "1,5", "--1", "one",
]  # fmt: skip

# Seconds and nanoseconds.
TIMES = {
    "0": (0, 0), "1": (1, 0), "1.5": (1, 500_000_000), "1.2s": (1, 200_000_000), " 1": (1, 0),
    "+1": (1, 0), "120ms": (0, 120_000_000), "1.2us": (0, 1200), "3\u03bcs": (0, 3000), "7ns": (0, 7),
    "0x10": (16, 0), "1e-3": (0, 1_000_000), "1500ms": (1, 500_000_000), "1e-400": (0, 0),
    # Rounded. A half goes up or to the even number, depending on nbdkit's release.
    "4.4ns": (0, 4), "4.6ns": (0, 5), "0.0055\u03bcs": (0, 6), "1.0000000004": (1, 0),
    # nbdkit returns 1000000000 nanoseconds.
    "0.9999999999": (1, 0), "1.9999999995s": (2, 0),
    "4294967295": (4294967295, 0),
}  # fmt: skip
NO_TIMES = [
    "", " ", "s", "ms", "-1", "-0", "-0s", "inf", "nan", "1e400", "1 s", "1s ", "1m", "1h", "1S",
    "1sms", "1%", "1:2", "1 ", "1,5", "soon", "\u03bcs", "3\u00b5s",
]  # fmt: skip


@pytest.fixture
def evaluate(serve, language):
    return evaluating.evaluator(serve, language)


def read(evaluate, function, text):
    """The numbers that a function of the module makes from a text; None if it rejects it."""
    language = evaluate.language
    # In a script, the text would depend on how it is written there.
    text = language.text(text) if language.reads_utf8 else text.encode()
    call = language.call(function, "it", text)
    if evaluate.errno(evaluate.language.answer(call)) == "EINVAL":
        return None
    return tuple(map(float, evaluate.answer(call).split()))


def test_probabilities(evaluate):
    expected = {text: (value,) for text, value in PROBABILITIES.items()}
    expected |= dict.fromkeys(NO_PROBABILITIES)
    assert {text: read(evaluate, "parse_probability", text) for text in expected} == expected


def test_times(evaluate):
    expected = TIMES | dict.fromkeys(NO_TIMES)
    assert {text: read(evaluate, "parse_delay", text) for text in expected} == expected


@pytest.mark.parametrize("function", ["parse_probability", "parse_delay"])
def test_rejected_text_is_in_the_message(evaluate, language, function):
    # nbdkit's own function logs a line before ours.
    evaluate.error(language.call(function, "the chance", "x y"))
    lines = evaluate.server.errors()
    assert any("the chance: " in line and "x y" in line for line in lines), lines
    assert language.function(function) in lines[-1]


@pytest.mark.parametrize(
    "function, what", [("parse_probability", "probability"), ("parse_delay", "delay")]
)
def test_wrong_arguments(evaluate, language, function, what):
    messages = [
        evaluate.message(language.call(function, *arguments))
        for arguments in ((), ("it",), ("it", "1", "2"), ("it", b"1\0"), (b"a\0", "1"))
    ]
    prefix = f"{language.function(function)}: "
    assert messages == [
        f"{prefix}argument 1 (what it is): found nothing, expected a string",
        f"{prefix}argument 2 (the {what}): found nothing, expected a string",
        f"{prefix}3 arguments, expected at most 2",
        f"{prefix}the {what} has a NUL byte in it",
        f"{prefix}the description has a NUL byte in it",
    ]
