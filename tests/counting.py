"""What the script `counting` has counted."""

FACTS = 2**20
MEETING = 4096


def parse(text):
    pairs = (line.rsplit("=", 1) for line in text.splitlines())
    return {key: int(float(value)) if value != "true" else True for key, value in pairs}


def facts(client):
    """The counts while the server runs."""
    return parse(client.pread(65536, FACTS).rstrip(b"\0").decode())


def most_at_once(known):
    return max(int(key.removeprefix("at once ")) for key in known if key.startswith("at once "))


def per_interpreter(known, what):
    """How often something happened in each interpreter, by its number."""
    prefix = what + " "
    found = {key.removeprefix(prefix): known[key] for key in known if key.startswith(prefix)}
    return {int(number): count for number, count in found.items() if number.isdigit()}


def nothing_mixed_up(known):
    """No interpreter had two requests at once, and no callback got another connection's handle."""
    return "two in one interpreter" not in known and "wrong handles" not in known
