"""Verdicts on the claims of papers: `examples/papers/_report.py`."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "examples" / "papers"))

from _report import NOT_TESTABLE, Claim, mean_and_spread

CLAIM = Claim("doubled", "about 4", lambda figures: figures["cell"]["n"], low=4, high=5)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([4.0], "reproduced"),
        ([5.0], "reproduced"),
        ([3.9], "not reproduced"),
        ([5.1], "not reproduced"),
        ([3.0, 6.0], "reproduced"),  # the mean decides
        ([3.0, 4.0], "not reproduced"),
        ([np.nan], "not reproduced"),
        ([], NOT_TESTABLE),
    ],
)
def test_verdict_follows_from_mean_and_interval(values, verdict):
    assert CLAIM.verdict(values, "cpu") == verdict


@pytest.mark.parametrize(
    ("needed", "scale", "testable"),
    [
        ("smoke", "smoke", True),
        ("cpu", "smoke", False),
        ("cpu", "cpu", True),
        ("cpu", "full", True),
        ("full", "cpu", False),
    ],
)
def test_a_claim_is_not_judged_below_its_scale(needed, scale, testable):
    verdict = replace(CLAIM, scale=needed).verdict([4.0], scale)
    assert (verdict == "reproduced") == testable
    assert (verdict == NOT_TESTABLE) != testable


def test_rules_in_words():
    assert CLAIM.rule() == ">= 4 and <= 5"
    assert replace(CLAIM, low=-np.inf).rule() == "<= 5"
    assert replace(CLAIM, ours=None).rule() == ""


def test_mean_and_spread():
    assert mean_and_spread([]) == "-"
    assert mean_and_spread([0.12345]) == "0.1235"
    assert mean_and_spread([1.0, 2.0, 3.0]) == "2 ± 1"
