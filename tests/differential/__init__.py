"""What a language brings to be compared with its official plugin, and how the two are compared.

A language has two modules here:

- `LANGUAGE_cases.py`: CASES, the scripts that both plugins run and the requests that clients send,
  by name; DISK, a script of all callbacks for random requests; FILE_IS_FLUSHED, whether the
  official plugin offers flush for the example `file`; NO_SCRIPT, what that plugin logs about
  each client if it is given no script, and NO_SCRIPT_NEWER, why its newer releases do not start
  then; and `plain`, which takes out of a line of the log what differs from one release of the
  language to the next.
- `LANGUAGE_differences.py`: DIFFERENCES, all that ours does otherwise on purpose, and nothing else.
"""

import importlib
from dataclasses import dataclass

# Names for what the test has besides the cases: random requests on DISK, and on the example `file`.
RANDOM = "random"
FILE = "file"


@dataclass(frozen=True)
class Case:
    script: object
    # One list of requests for each client, one after the other.
    clients: tuple
    parameters: tuple = ()
    options: tuple = ()


@dataclass(frozen=True)
class Difference:
    # The names of cases.
    cases: tuple
    # What is seen of the official plugin, and of ours in its place.
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
    """What is to be seen of ours in a case, from what is seen of the official plugin.

    A row whose official text is not there any more is as wrong as one whose own is not.
    """
    text = official
    for difference in differences:
        if case in difference.cases:
            assert difference.official in text, (difference, text)
            text = text.replace(difference.official, difference.ours)
    return text
