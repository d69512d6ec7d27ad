"""Claims of the papers' scripts, judged on figures that a test gives."""


def claim_of(module, text):
    """Return the one claim that begins with a text."""
    (found,) = [c for c in module.CLAIMS if c.text.startswith(text)]
    return found


def judged(module, text, figures):
    """Return the number of a claim and its verdict at the paper's sizes."""
    claim = claim_of(module, text)
    (value,) = claim.values({0: figures})
    return value, claim.verdict([value], "full")
