"""Topics and mixtures compared with those that documents were drawn from."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, minimize
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits

from harness.containers.lda import mixtures, topics


def planted(count=5, words=100, documents=2000, length=80, prior=0.1, seed=0):
    random = np.random.default_rng(seed)
    beta = random.dirichlet(np.full(words, 0.1), count)
    mixed = random.dirichlet(np.full(count, prior), documents)
    counts = np.array([random.multinomial(length, mixture @ beta) for mixture in mixed])
    return beta, mixed, csr_matrix(counts.astype(np.float32))


def learned(counts, count, alpha0, seed=0):
    moments = topics.Moments.of(counts, alpha0)
    whitener, inverse = topics.directions(moments, count, seed)
    found = topics.decompose(moments.third(whitener), restarts=10, iterations=1000, tolerance=1e-8, seed=seed)
    return topics.recover(found, inverse, count, alpha0)


def matched(found, expected):
    """Return the cosine of each expected topic with the found one that it is matched with."""
    found = found / np.linalg.norm(found, axis=1, keepdims=True)
    cosines = (expected / np.linalg.norm(expected, axis=1, keepdims=True)) @ found.T
    return cosines[linear_sum_assignment(-cosines)]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(5, 100, 2000), (8, 1000, 2000), (20, 500, 6000)], ids=["small", "wide", "many"])
@pytest.mark.parametrize("seed", range(2))
def test_planted_topics_are_recovered(shape, seed):
    count, words, documents = shape
    beta, _, counts = planted(count, words, documents, seed=seed)
    found = learned(counts, count, 0.1 * count)
    assert matched(found.beta, beta).min() >= 0.98
    assert np.allclose(found.beta.sum(axis=1), 1)
    assert np.allclose(found.alpha, 0.1, atol=0.02)


def test_a_topic_more_than_asked_for_does_not_blur_the_others():
    beta, _, counts = planted(count=6)
    assert np.sort(matched(learned(counts, 5, 0.6).beta, beta))[0] >= 0.99


def test_the_moments_are_those_of_all_pairs_and_triples_of_words():
    documents = [[0, 0, 1, 2], [1, 2, 2]]
    counts = csr_matrix(np.array([np.bincount(words, minlength=3) for words in documents], dtype=np.float32))
    pairs, triples = np.zeros((3, 3)), np.zeros((3, 3, 3))
    for words in documents:
        each = np.eye(3)[words]
        size = len(words)
        for a, b in [(a, b) for a in range(size) for b in range(size) if a != b]:
            pairs += np.outer(each[a], each[b]) / (size * (size - 1)) / 2
            for c in set(range(size)) - {a, b}:
                cube = np.einsum("a,b,c->abc", each[a], each[b], each[c])
                triples += cube / (size * (size - 1) * (size - 2)) / 2
    moments = topics.Moments.of(counts, 1e-12)  # without the parts from the mean
    assert np.allclose(moments.second(np.eye(3)), pairs)
    assert np.allclose(moments.third(np.eye(3)), triples)


def test_whitening_makes_the_second_moment_the_identity():
    moments = topics.Moments.of(planted()[2], 0.5)
    whitener, inverse = topics.whitening(moments, 5, 0)
    assert np.allclose(whitener.T @ moments.second(whitener), np.eye(5))
    assert np.allclose(whitener.T @ inverse, np.eye(5))


@pytest.mark.slow
def test_a_vocabulary_of_20_000_words_needs_no_square_of_it():
    beta, _, counts = planted(4, 20_000, 300, 400)
    assert matched(learned(counts, 4, 0.4).beta, beta).min() >= 0.95


def test_documents_of_two_words_have_no_third_moment():
    assert topics.Moments.of(csr_matrix(np.eye(4, dtype=np.float32) * 2), 1.0) is None


@pytest.mark.parametrize("as_matrix", [csr_matrix, lambda matrix: matrix.toarray()])
def test_mixtures_are_those_of_the_greatest_likelihood(as_matrix):
    beta, _, counts = planted(documents=5)
    found = mixtures.infer(as_matrix(counts), np.ones(5), beta)
    for document, mixture in zip(counts.toarray(), found, strict=True):

        def loss(free, document=document):
            shares = np.exp(free) / np.exp(free).sum()
            return -document @ np.log(shares @ beta + 1e-300)

        best = minimize(loss, np.zeros(5), method="L-BFGS-B").fun
        assert -document @ np.log(mixture @ beta + 1e-300) <= best + 1e-2
    assert np.allclose(found.sum(axis=1), 1)


@pytest.mark.slow
@pytest.mark.parametrize("as_matrix", [csr_matrix, np.asarray])
def test_accelerated_steps_are_few_and_end_at_the_likelihood_of_many_plain_ones(as_matrix, monkeypatch):
    digits = load_digits()
    counts = digits.data[:200]
    beta = np.array([counts[digits.target[:200] == digit].mean(axis=0) + 1e-3 for digit in range(10)])
    beta /= beta.sum(axis=1, keepdims=True)
    plain = np.full((200, 10), 0.1)
    for _ in range(5000):
        plain = plain * ((counts / (plain @ beta)) @ beta.T) / counts.sum(axis=1, keepdims=True)
    work, ratios = [], mixtures._ratios
    monkeypatch.setattr(mixtures, "_ratios", lambda rows, *rest: work.append(rows.shape[0]) or ratios(rows, *rest))
    found = mixtures.infer(as_matrix(counts), np.ones(10), beta)
    likelihoods = [(counts * np.log(each @ beta)).sum(axis=1) for each in (found, plain)]
    assert (likelihoods[0] >= likelihoods[1] * (1 + 1e-6)).all()  # logarithms are negative
    assert sum(work) / len(counts) < 100, "plain iterations to the same change of a mixture are 359"


def test_long_documents_get_the_mixture_that_they_were_drawn_from():
    beta, mixed, counts = planted(documents=50, length=20_000)
    assert np.abs(mixtures.infer(counts, np.ones(5), beta) - mixed).max() < 0.03


@pytest.mark.parametrize("as_matrix", [csr_matrix, np.asarray])
def test_a_document_without_known_words_gets_a_mixture_too(as_matrix):
    beta = np.array([[0.5, 0.5, 0], [0, 1, 0]])
    counts = as_matrix(np.array([[0, 0, 0], [0, 0, 4], [9, 0, 1]], dtype=np.float32))
    found = mixtures.infer(counts, np.array([3.0, 1.0]), beta)
    assert found[:2].tolist() == [[0.75, 0.25]] * 2
    assert np.allclose(found[2], [1, 0], atol=1e-3)


@pytest.mark.parametrize("as_matrix", [csr_matrix, np.asarray])
def test_the_likelihood_is_the_mean_over_words(as_matrix):
    beta = np.array([[0.5, 0.5, 0], [0.1, 0.1, 0.8]])
    counts = as_matrix(np.array([[1, 1, 0], [0, 0, 2]], dtype=np.float32))
    found = mixtures.per_word_likelihood(counts, np.eye(2), beta)
    assert found == pytest.approx((2 * np.log(0.5) + 2 * np.log(0.8)) / 4)


def test_steps_of_mixtures_that_hardly_bend_do_not_overflow():
    counts = np.random.default_rng(1).poisson(1, (60, 5)).astype(np.float32)
    beta = np.random.default_rng(2).dirichlet(np.ones(5), 2)
    with np.errstate(over="raise", invalid="raise"):
        found = mixtures.infer(counts, np.ones(2), beta)
    assert np.allclose(found.sum(axis=1), 1)
