"""Every script of a test exists in all languages, under the same name."""

import re

import pytest

from languages import LANGUAGES
from script_files import FOLDER, sections

# Scripts of one language only, for the tests in its own folder.
OWN = tuple(f"{name}_" for name in LANGUAGES)
MODULES = sorted(
    {file.stem for file in FOLDER.iterdir() if not file.stem.startswith(OWN)}
)


@pytest.mark.parametrize("module", MODULES)
def test_all_languages_have_the_same_scripts(module):
    names = {name: set(sections(make().extension, module)) for name, make in LANGUAGES.items()}
    assert len(set(map(frozenset, names.values()))) == 1, names


def test_every_script_is_used_by_a_test():
    text = "".join(file.read_text() for file in FOLDER.parent.rglob("*.py"))
    for module in MODULES:
        assert f'"{module}"' in text, module
        for name in sections("lua", module).keys() - {None}:
            # Some names have two parts.
            beginnings = [name[: space.end()] for space in re.finditer(" ", name)]
            used = [f'"{name}"', *(f'"{beginning}{{' for beginning in beginnings)]
            assert any(quoted in text for quoted in used), (module, name)
