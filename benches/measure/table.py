"""The results as a table in Markdown."""

from headlines import HEADLINES, headlines
from judge import Judged

HEAD = """\
| what | against | unit | ours | theirs | ratio | wanted | met? |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


def number(value):
    """With three significant digits, and no more than one behind the point where it is large."""
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(value, rounds):
    """A value with the lowest and the highest of its rounds."""
    least, most = number(min(rounds)), number(max(rounds))
    return number(value) if least == most else f"{number(value)} ({least}–{most})"


def wanted(judged):
    match judged.wanted:
        case None:
            return ""
        case ["at most more", most]:
            return f"≤ +{most} {judged.unit.split('/')[0]}"
        case [direction, ratio]:
            return f"{'≤' if direction == 'at most' else '≥'} {ratio:g}"


def verdict(judged):
    if judged.met is None:
        return ""
    if judged.within_noise:
        return "yes, within noise" if judged.met else "no, within noise"
    return "yes" if judged.met else "**no**"


def line(row):
    judged = Judged(row)
    if judged.skipped:
        cells = ["", "", "", wanted(judged), f"not measured: {judged.skipped}"]
    else:
        sides = [spread(getattr(judged, role), judged.rounds(role)) for role in ("ours", "theirs")]
        cells = [*sides, spread(judged.ratio, judged.ratios), wanted(judged), verdict(judged)]
    return "| " + " | ".join([judged.what, judged.against, judged.unit, *cells]) + " |\n"


def table(rows):
    return HEAD + "".join(line(row) for row in rows)


def luas(of):
    return "; ".join(f"{name} with {lua}" for name, lua in of["lua"].items() if lua)


def machine(result):
    """A sentence about where a group of results is from."""
    of = result["machine"]
    return (
        f"{of['processors']} × {of['processor']}, {of['memory_mib']} MiB of memory, "
        f"{of['system']}, Linux {of['kernel']}, nbdkit {of['nbdkit']} ({luas(of)}), "
        f"rustc {of['rustc']}, fio {of['fio']}; commit {of['commit']}, {of['date']}, "
        f"load average before it {of['load_average_before']:.2f}, {result['extent']} run"
    )


def machine_in_short(result):
    """What most of the numbers depend on."""
    of = result["machine"]
    return (
        f"{of['processors']} × {of['processor']}, {of['system']}, "
        f"nbdkit {of['nbdkit']} ({luas(of)}), {of['date']}"
    )


def machines(results, machine=machine):
    """The same of all groups; of each, where they differ."""
    if not results:
        return "Nothing has been measured yet.\n"
    sentences = {}
    for name, result in results.items():
        sentences.setdefault(machine(result), []).append(name)
    if len(sentences) == 1:
        return f"Measured on {next(iter(sentences))}.\n"
    lines = [f"- {', '.join(names)}: {sentence}." for sentence, names in sentences.items()]
    return "Measured on:\n\n" + "\n".join(lines) + "\n"


def aims(results):
    """A sentence about all rows that have an aim, with the names of those that miss it."""
    rows = [Judged(row) for result in results.values() for row in result["rows"] if "wanted" in row]
    missed = [judged for judged in rows if judged.met is False]
    names = [f"{judged.what} / {judged.against}" for judged in missed if not judged.within_noise]
    counts = {
        "meet it": sum(judged.met is True for judged in rows),
        "miss it within noise": len(missed) - len(names),
        f"miss it ({'; '.join(names)})": len(names),
        "were not measured": sum(judged.met is None for judged in rows),
    }
    parts = [f"{count} {what}" for what, count in counts.items() if count]
    return f"{len(rows)} rows have an aim: {', '.join(parts)}.\n"


def overview(results):
    """The few rows that the README has, and what became of all the others."""
    shown = {name: results[name] for name in results if name in {key[0] for key in HEADLINES}}
    text = f"{table(headlines(results))}\n"
    if results:
        text += f"{aims(results)}\n"
    return text + machines(shown, machine_in_short)


def everything(results):
    """All rows."""
    text = machines(results)
    for result in results.values():
        text += f"\n## {result['title']}\n\n{table(result['rows'])}"
    return text
