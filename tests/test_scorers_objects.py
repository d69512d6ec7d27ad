"""Scorers as objects: seed, text, copies and cache."""

import copy
import pickle

import numpy as np
import pytest
import torch
from scored_models import MIXTURE, OF_SAMPLES, TRAIN, VAE_FITTED, X_TEST, X

from skvae import make_sample_scorer
from skvae.scorers import SCORERS, get_scorer


class TestRandomness:
    def test_is_repeated_for_an_int_and_fresh_for_none(self):
        fixed, free = (
            make_sample_scorer("neg_frechet_distance", random_state=s)
            for s in (3, None)
        )
        assert fixed(MIXTURE, X_TEST) == fixed(MIXTURE, X_TEST)
        assert free(MIXTURE, X_TEST) != free(MIXTURE, X_TEST)

    @pytest.mark.parametrize(
        "state", [np.random.RandomState(0), np.random.default_rng(0)]
    )
    def test_of_a_generator_is_refused(self, state):
        with pytest.raises(TypeError, match=r"an int or None, got .*n_jobs. Pass an"):
            make_sample_scorer("coverage", random_state=state)

    def test_leaves_global_states_alone(self):
        names = [n for n in OF_SAMPLES if n not in TRAIN]
        before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        make_sample_scorer(names, random_state=None)(VAE_FITTED, X_TEST)
        after = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        assert before == after


class TestObject:
    def test_repr_makes_it_again(self):
        scorer = make_sample_scorer(["coverage", "density"], n_samples=9, mean=False)
        text = "make_sample_scorer(['coverage', 'density'], n_samples=9, mean=False)"
        assert repr(scorer) == text
        assert repr(eval(text)) == text
        assert repr(get_scorer("coverage")) == "make_sample_scorer('coverage')"

    def test_repr_is_short_whatever_the_rows(self):
        scorer = make_sample_scorer("authenticity", X_train=X)
        assert "X_train=<array of shape (200, 4)>" in repr(scorer)

    @pytest.mark.parametrize("copied", [pickle.dumps, copy.deepcopy])
    def test_copies_score_alike_and_carry_no_rows(self, copied):
        scorer = make_sample_scorer(["coverage", "neg_frechet_distance"])
        empty = len(pickle.dumps(scorer))
        score = scorer(MIXTURE, X_TEST)
        again = copied(scorer)
        again = pickle.loads(again) if isinstance(again, bytes) else again
        assert len(pickle.dumps(scorer)) == empty
        assert len(again._references) == 0
        assert again(MIXTURE, X_TEST) == score

    def test_cache_is_bounded_and_found_by_content(self):
        scorer = make_sample_scorer("coverage", max_cached=2)
        for shift in (0, 1, 2, 2, 1):
            scorer(MIXTURE, X_TEST + shift)
        assert len(scorer._references) == 2
        changed = X_TEST.copy()
        before = scorer(MIXTURE, changed)
        changed += 100
        assert scorer(MIXTURE, changed) != before

    def test_every_name_has_a_meaning_and_a_scorer(self):
        for name, meaning in SCORERS.items():
            assert meaning
            if name not in TRAIN:
                assert repr(get_scorer(name)).startswith(f"make_sample_scorer('{name}'")
        with pytest.raises(TypeError):
            SCORERS["mine"] = "x"
