"""The three terms as loops over examples, views, dimensions and prompts."""

import math

import numpy as np


def standard_scores(x, weights):
    """(n, d) -> scores of the real rows, one dimension at a time."""
    real = x[weights > 0].astype(np.float64)
    out = np.empty_like(real)
    for i in range(real.shape[1]):
        column = real[:, i]
        mean = sum(column) / len(column)
        variance = sum((c - mean) ** 2 for c in column) / len(column)
        out[:, i] = [(c - mean) / math.sqrt(variance + 1e-5) for c in column]
    return out


def correlation(a, b):
    """C_ij = sum_n a_ni b_nj / n."""
    n = len(a)
    c = np.zeros((a.shape[1], b.shape[1]))
    for i in range(a.shape[1]):
        for j in range(b.shape[1]):
            c[i, j] = sum(a[k, i] * b[k, j] for k in range(n)) / n
    return c


def multiview_decorrelation(z, off_diagonal_weight, weights):
    views, dims = z.shape[1:]
    scores = [standard_scores(z[:, v], weights) for v in range(views)]
    total, pairs = 0.0, 0
    for a in range(views):
        for b in range(a + 1, views):
            c = correlation(scores[a], scores[b])
            for i in range(dims):
                for j in range(dims):
                    if i == j:
                        total += (1 - c[i, i]) ** 2
                    else:
                        total += off_diagonal_weight * c[i, j] ** 2
            pairs += 1
    return total / (pairs * dims)


def softmax(x):
    e = [math.exp(v - max(x)) for v in x]
    return [v / sum(e) for v in e]


def vision_language_alignment(fused, views, bank, q, logit_scale, t2i_weight, weights):
    s = math.exp(logit_scale)
    rows = [i for i in range(len(fused)) if weights[i] > 0]

    def i2t(x, target):
        p = softmax([s * float(x @ b) for b in bank])
        return -sum(t * math.log(v) for t, v in zip(target, p, strict=True))

    fused_loss = sum(i2t(fused[i], q[i]) for i in rows) / len(rows)
    view_loss = sum(
        i2t(views[i, v], q[i]) for i in rows for v in range(views.shape[1])
    ) / (len(rows) * views.shape[1])
    t2i = counted = 0.0
    for k in range(len(bank)):
        mass = sum(q[i, k] for i in rows)
        if mass == 0:
            continue
        p = softmax([s * float(bank[k] @ fused[i]) for i in rows])
        found = sum(q[i, k] * math.log(v) for i, v in zip(rows, p, strict=True))
        t2i -= min(1, mass) * found / mass
        counted += min(1, mass)
    return fused_loss + view_loss + t2i_weight * t2i / counted


def paired_alignment(
    fused, views, bank, q, logit_scale, t2i_weight, weights, actions=None, width=1.0
):
    s = math.exp(logit_scale)
    rows = [i for i in range(len(fused)) if weights[i] > 0]
    texts = [bank[q[i].argmax()] for i in range(len(fused))]

    def alike(i, j):
        if actions is None:
            return float(q[j].argmax() == q[i].argmax())
        squared = sum((a - b) ** 2 for a, b in zip(actions[i], actions[j], strict=True))
        return math.exp(-squared / (2 * width**2))

    def cross_entropy(i, x, others):
        shares = [alike(i, j) for j in rows]
        p = softmax([s * float(x @ others[j]) for j in rows])
        found = sum(a * math.log(v) for a, v in zip(shares, p, strict=True))
        return -found / sum(shares)

    total = 0.0
    for i in rows:
        total += cross_entropy(i, fused[i], texts)
        per_view = [cross_entropy(i, v, texts) for v in views[i]]
        total += sum(per_view) / len(per_view)
        total += t2i_weight * cross_entropy(i, texts[i], fused)
    return total / len(rows)


def whitened_text(bank):
    """(bank - mean) V S^-1 sqrt(K), with the sign convention of the library."""
    k = len(bank)
    centered = bank - bank.mean(axis=0)
    _, s, vt = np.linalg.svd(centered, full_matrices=False)
    t = centered @ vt.T[:, : k - 1] / s[: k - 1] * math.sqrt(k)
    for j in range(k - 1):
        if t[np.abs(t[:, j]).argmax(), j] < 0:
            t[:, j] *= -1
    return t


def action_redundancy(y, actions, off_diagonal_weight, weights):
    ours, theirs = standard_scores(y, weights), standard_scores(actions, weights)
    c, r = correlation(ours, theirs), correlation(theirs, theirs)
    total = 0.0
    for i in range(len(c)):
        for j in range(len(c)):
            share = 1 if i == j else off_diagonal_weight
            total += share * (c[i, j] - r[i, j]) ** 2
    return total / len(c)


def cross_modal_redundancy(y, bank, q, mode, off_diagonal_weight, weights, shared=None):
    real = weights > 0
    if mode == "literal":
        c = correlation(standard_scores(y, weights), standard_scores(q @ bank, weights))
        off = sum(c[i, j] ** 2 for i in range(len(c)) for j in range(len(c)) if i != j)
        return off_diagonal_weight * off / len(c)
    text = standard_scores(q @ whitened_text(bank), weights)
    c = correlation(standard_scores(y, weights), text)
    if mode == "private":
        own = correlation(standard_scores(y, weights), standard_scores(shared, weights))
        return float((c**2).mean() + (own**2).mean())
    assert real.any()
    r = len(bank) - 1
    total = 0.0
    for i in range(r):
        for j in range(r):
            total += (
                (1 - c[i, i]) ** 2 if i == j else off_diagonal_weight * c[i, j] ** 2
            )
    return total / r
