"""How to build a script from pieces in each language. The pieces are in `scripts/fuzz.*`."""

from dataclasses import dataclass

import script_files


@dataclass(frozen=True)
class Dialect:
    """How to combine the pieces of a language: as elements of a list."""

    extension: str
    # Around a piece.
    element: str
    way: str
    yes: str
    no: str
    versions: tuple = (1, 2)
    # What interpreters share, and what each has for itself.
    shared: tuple = ("disk", "disk", "file", "file", "dictionary")
    own: tuple = ("buffer", "numbers")

    def script(self, case, chosen):
        """`chosen` contains lists of pieces by name."""
        listed = lambda name, form: "\n".join(map(form.format, chosen[name]))
        return self.section(
            "disk",
            version=case.version,
            good=case.good,
            seed=case.seed_of_script,
            model=case.model,
            storage=self.section(f"storage {case.storage}"),
            before=listed("before", self.element),
            ways=listed("ways", self.way),
            cells=listed("cells", self.element),
            callbacks="\n".join(chosen["callbacks"]),
            wipes=self.yes if case.wipes else self.no,
            tells=self.yes if case.tells else self.no,
        )

    def section(self, name, **places):
        return script_files.script(self.extension, "fuzz", name, **places)

    def pieces(self, name, **places):
        return script_files.pieces(self.extension, "fuzz", name, **places)


@dataclass(frozen=True)
class Switches(Dialect):
    """The same if functions only see their parameters: each callback contains the pieces."""

    def script(self, case, chosen):
        requests = self.pieces(f"pieces of {case.storage}")
        serve = lambda request: self.serve(chosen, requests[request])
        others = [self.section("wipes", serve=serve("wipe"))] * case.wipes
        others += [self.section("tells", serve=serve("allocated"))] * case.tells
        return self.section(
            "disk",
            good=case.good,
            seed=case.seed_of_script,
            model=case.model,
            storage=self.section(f"storage {case.storage}"),
            count_of_cells=len(chosen["cells"]),
            callbacks="\n".join(chosen["callbacks"]),
            serve_fetch=serve("fetch"),
            serve_store=serve("store"),
            others="\n".join(others),
        )

    def serve(self, chosen, request):
        ways = [way.replace("@f@", request) for way in chosen["ways"]]
        return self.section(
            "serve",
            cells=self.cases(chosen["cells"]),
            before=self.cases(chosen["before"]),
            count_of_before=len(chosen["before"]),
            ways=self.cases(ways),
            count_of_ways=len(ways),
        )

    def cases(self, pieces):
        return "\n".join(f"        {n} => {{ {piece} }}," for n, piece in enumerate(pieces))

    def pieces(self, name, **places):
        if name == "ways":
            # Each has its own parameters for the request.
            places["f"] = "@f@"
        return super().pieces(name, **places)


DIALECTS = {
    "lua": Dialect(
        "lua",
        "    function(what, buf, count, offset) {} end,",
        "    function(f) {} end,",
        "true",
        "false",
    ),
    "tcl": Dialect("tcl", "    {{ {} }}", "    {{ {} }}", "1", "0"),
    "rhai": Switches("rhai", "", "", "", "", (2,), ("disk", "file"), ("blob",)),
}
