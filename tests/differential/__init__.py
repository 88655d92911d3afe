"""What a language needs for comparison with its official plugin, and how the two are compared.

A language has two modules here:

- `LANGUAGE_cases.py`: CASES, the scripts that both plugins run and the requests that clients send,
  by name; DISK, a script with all callbacks for random requests; FILE_IS_FLUSHED, whether the
  official plugin offers flush for the example `file`; NO_SCRIPT, what that plugin logs about
  each client if it gets no script, and NO_SCRIPT_NEWER, why its newer releases do not start then;
  and `plain`, which removes the parts of a log line that differ between releases of the language.
- `LANGUAGE_differences.py`: DIFFERENCES, all deliberate differences of ours, and nothing else.
"""

import importlib
from dataclasses import dataclass

# Names for the test's own cases: random requests on DISK, and on the example `file`.
RANDOM = "random"
FILE = "file"


@dataclass(frozen=True)
class Case:
    script: object
    # One list of requests per client, one client after another.
    clients: tuple
    parameters: tuple = ()
    options: tuple = ()


@dataclass(frozen=True)
class Difference:
    # The names of cases.
    cases: tuple
    # The official plugin's observed text, and ours in its place.
    official: str
    ours: str
    reason: str


def row(cases, official, ours, reason):
    return Difference((cases,) if isinstance(cases, str) else tuple(cases), official, ours, reason)


def cases_of(language):
    return importlib.import_module(f"differential.{language.name}_cases")


def differences_of(language):
    return importlib.import_module(f"differential.{language.name}_differences").DIFFERENCES


def expected(differences, case, official):
    """The expected observation of ours in a case, derived from the official plugin's.

    A row is wrong if either its official text or its own text does not occur.
    """
    text = official
    for difference in differences:
        if case in difference.cases:
            assert difference.official in text, (difference, text)
            text = text.replace(difference.official, difference.ours)
    return text
