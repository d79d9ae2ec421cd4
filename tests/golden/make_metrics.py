#!/usr/bin/python3
"""Writes metrics.txt: what scikit-learn's metrics make of predictions and targets.

A case is as golden.py says: the inputs are predictions and targets, the output is the value of all of them together.
Parameters: classes, average (the enum's number), top_k, threshold, ignore, and batches: how many samples (along the
first dimension) each batch is to have. `fails`: the samples do not suffice.

Where digits are lost in sums (numbers far from zero, large ones beside small ones), values come from the formula in
exact fractions.
"""
import warnings
from fractions import Fraction

import numpy
import torch
from sklearn import metrics

from golden import Golden, Input, name_of, shape_of, text_of

warnings.filterwarnings('ignore')
g = Golden(__file__)
AVERAGES = ('binary', 'macro', 'micro', 'weighted', None)
single, double, long = torch.float32, torch.float64, torch.int64


def case(op, predictions, targets, value, batches=None, dtype=double, **parameters):
    g.begin(op, [Input(predictions, grad=False), Input(targets, grad=False)], dict(batches=batches, **parameters))
    if value is None:
        g.lines.append('fails')
        return
    value = torch.tensor(numpy.asarray(value), dtype=dtype)
    g.lines.append(f'out {name_of(dtype)} {shape_of(value.shape)} :{text_of(value)}')


def labels(n, classes, skip=()):
    some = torch.tensor([c for c in range(classes) if c not in skip])
    return some[torch.randint(len(some), (n,), generator=g.random)]


def scores(shape, dtype=single):
    """All different, so that no order is left open."""
    n = int(numpy.prod(shape))
    return ((torch.randperm(n, generator=g.random).double() - n / 3) / 8).reshape(shape).to(dtype)


def flat(predictions, targets, ignore=None):
    """Scores (samples, classes) and targets (samples) of (N, C, d1, …) and (N, d1, …), without what is ignored."""
    rows = predictions.movedim(1, -1).reshape(-1, predictions.shape[1]).double().numpy()
    y = targets.reshape(-1).numpy()
    kept = numpy.ones(len(y), bool) if ignore is None else y != ignore
    return rows[kept], y[kept]


def accuracy():
    y = labels(23, 5)
    x = scores((23, 5))
    case('accuracy', x, y, metrics.accuracy_score(y, x.argmax(1)), batches=[1, 7, 2, 0, 13])
    case('accuracy', x.double(), y.int(), metrics.accuracy_score(y, x.argmax(1)), batches=[20, 3])
    for k in (2, 3, 4, 5):
        case('accuracy', x, y, metrics.top_k_accuracy_score(y, x.numpy(), k=k, labels=range(5)), batches=[10, 1, 12], top_k=k)
    guess = labels(23, 5)
    case('accuracy', guess, y, metrics.accuracy_score(y, guess), batches=[5, 18])
    case('accuracy', guess.int(), y.double(), metrics.accuracy_score(y, guess), batches=[22, 1])
    case('accuracy', guess.reshape(1, 23), y.reshape(1, 23), metrics.accuracy_score(y, guess))
    one, two = scores((19,)), labels(19, 2)
    for threshold in (None, 0.0, -0.5, 0.25):
        right = metrics.accuracy_score(two, one > (0.5 if threshold is None else threshold))
        case('accuracy', one, two, right, batches=[4, 15], threshold=threshold)
    guess = labels(19, 2)
    case('accuracy', guess.bool(), two.bool(), metrics.accuracy_score(two, guess), batches=[6, 13])
    x, y = scores((4, 3, 2, 3)), labels(24, 3).reshape(4, 2, 3)
    rows, flat_y = flat(x, y)
    case('accuracy', x, y, metrics.accuracy_score(flat_y, rows.argmax(1)), batches=[1, 3])
    case('accuracy', x, y, metrics.top_k_accuracy_score(flat_y, rows, k=2, labels=range(3)), batches=[3, 1], top_k=2)
    for ignore in (1, -100):
        some = torch.where(y == 1, torch.tensor(ignore), y)
        rows, flat_y = flat(x, some, ignore)
        top = numpy.mean([numpy.sum(row > row[t]) < 2 for row, t in zip(rows, flat_y)])
        case('accuracy', x, some, metrics.accuracy_score(flat_y, rows.argmax(1)), batches=[2, 2], ignore=ignore)
        case('accuracy', x, some, top, batches=[1, 1, 2], top_k=2, ignore=ignore)
    x = scores((4,))
    case('accuracy', x, x.argmax(), 1)
    case('accuracy', x, (x.argmax() + 1) % 4, 0)
    case('accuracy', scores((0, 3)), labels(0, 3), None)


SHARES = {'precision': metrics.precision_score, 'recall': metrics.recall_score, 'f1': metrics.f1_score}


def shares_of(x, y, guess, true, classes, **parameters):
    """All averages of all three, and the confusion matrix; guess and true are what is left of x and y."""
    for op, function in SHARES.items():
        for number, average in enumerate(AVERAGES):
            if average == 'binary' and classes != 2:
                continue
            kind = dict(labels=range(classes)) if average is None else {}
            value = function(true, guess, average=average, zero_division=0, **kind)
            case(op, x, y, value, classes=classes, average=number, **parameters)
    matrix = metrics.confusion_matrix(true, guess, labels=range(classes))
    case('confusion_matrix', x, y, matrix, dtype=long, classes=classes, **parameters)


def shares():
    x, y = scores((31, 4)), labels(31, 4)
    shares_of(x, y, x.argmax(1), y, 4, batches=[1, 11, 3, 16])
    # Classes that are never a target, never predicted, neither.
    guess, y = labels(17, 6, skip=(1, 5)), labels(17, 6, skip=(0, 5))
    shares_of(guess, y, guess, y, 6, batches=[16, 1])
    ignored = torch.where(y == 2, torch.tensor(-1), y)
    shares_of(guess, ignored, guess[y != 2], y[y != 2], 6, batches=[4, 4, 9], ignore=-1)
    one, two = scores((21,)), labels(21, 2)
    shares_of(one, two, one > 0.5, two, 2, batches=[20, 1])
    shares_of(one.double(), two, one > 0, two, 2, batches=[2, 19], threshold=0.0)
    zeros, ones = torch.zeros(5).long(), torch.ones(5).long()
    shares_of(zeros, ones, zeros, ones, 2)
    shares_of(zeros, zeros, zeros, zeros, 2)
    shares_of(ones, zeros, ones, zeros, 2)
    x, y = scores((3, 2, 5)), labels(15, 2).reshape(3, 5)
    rows, flat_y = flat(x, y)
    shares_of(x, y, rows.argmax(1), flat_y, 2, batches=[1, 2])


def auroc():
    one, two = scores((26,)), labels(26, 2)
    coarse = torch.round(one / 4)  # many are equal
    for x in (one, one.double(), coarse, torch.zeros(26)):
        case('auroc', x, two, metrics.roc_auc_score(two, x), classes=2, average=0, batches=[9, 1, 16])
    pairs = torch.stack([-coarse, coarse], 1)
    case('auroc', pairs, two, metrics.roc_auc_score(two, coarse), classes=2, average=0, batches=[25, 1])
    case('auroc', one, (one > 0.3).long(), 1, classes=2, average=0, batches=[25, 1])
    case('auroc', -one, (one > 0.3).long(), 0, classes=2, average=0)
    some = torch.where(torch.arange(26) % 5 == 2, torch.tensor(-100), two)
    case('auroc', one, some, metrics.roc_auc_score(two[some >= 0], one[some >= 0]), classes=2, average=0, ignore=-100,
         batches=[13, 13])
    case('auroc', one, torch.ones(26), None, classes=2, average=0)
    case('auroc', one[:0], two[:0], None, classes=2, average=0)
    y = labels(40, 4)
    x = torch.softmax(scores((40, 4), double) / 9, 1)
    coarse = torch.softmax(torch.round(x * 4), 1)
    for x in (x, coarse):
        for number, average in ((1, 'macro'), (3, 'weighted')):
            value = metrics.roc_auc_score(y, x, multi_class='ovr', average=average)
            case('auroc', x, y, value, classes=4, average=number, batches=[3, 30, 7])
        each = [metrics.roc_auc_score(y == c, x[:, c]) for c in range(4)]
        case('auroc', x, y, each, classes=4, average=4, batches=[39, 1])
    case('auroc', x, y % 3, None, classes=4, average=1)
    x, y = torch.softmax(scores((5, 3, 7), double), 1), labels(35, 3).reshape(5, 7)
    rows, flat_y = flat(x, y)
    case('auroc', x, y, metrics.roc_auc_score(flat_y, rows, multi_class='ovr'), classes=3, average=1, batches=[2, 3])


def exact_r2(x, y):
    x, y = ([Fraction(v) for v in t.double().tolist()] for t in (x, y))
    mean = sum(y) / len(y)
    return float(1 - sum((a - b) ** 2 for a, b in zip(x, y)) / sum((b - mean) ** 2 for b in y))


def numbers():
    for shape, dtype, other in (((29,), single, single), ((7, 3), double, double), ((5, 2, 3), single, double),
                                ((), double, double), ((12,), long, long), ((9, 2), single, long)):
        x, y = g.values(shape, dtype), g.values(shape, other)
        n = shape[0] if shape else None
        batches = None if n is None else [1, n - 3, 2]
        a, b = x.reshape(-1).double(), y.reshape(-1).double()
        case('mae', x, y, metrics.mean_absolute_error(b, a), batches=batches)
        case('mse', x, y, metrics.mean_squared_error(b, a), batches=batches)
        if 1 <= len(shape) <= 2:
            case('r2', x, y, metrics.r2_score(y.double(), x.double()), batches=batches)
    case('mae', g.values((0,)), g.values((0,)), None)
    case('mse', g.values((3, 0)), g.values((3, 0)), None)
    case('r2', g.values((1,)), g.values((1,)), None)
    y = g.values((11, 3))
    x = y + g.values((11, 3), low=-0.1, high=0.1)
    case('r2', x, y, metrics.r2_score(y.double(), x.double()), batches=[4, 7])
    case('r2', y, y, 1, batches=[10, 1])
    case('r2', torch.full((4,), 0.1, dtype=double), torch.full((4,), 0.1, dtype=double), 1, batches=[1, 3])
    case('r2', torch.full((4,), 0.2, dtype=double), torch.full((4,), 0.1, dtype=double), 0, batches=[3, 1])
    for offset in (1e6, 1e8):
        y = offset + g.values((15,), double)
        x = y + g.values((15,), double, low=-0.1, high=0.1)
        case('r2', x, y, exact_r2(x, y), batches=[1, 8, 6])
    # Large numbers beside small ones, in any order.
    big = torch.tensor([1e16, 1, -1e16, 1, 1e8, 3e-9], dtype=double)
    total = sum(abs(Fraction(v)) for v in big.tolist())
    squares = sum(Fraction(v) ** 2 for v in big.tolist())
    for order in ([0, 1, 2, 3, 4, 5], [5, 3, 1, 4, 2, 0]):
        case('mae', big[order], torch.zeros(6), float(total / 6), batches=[1, 2, 3])
        case('mse', big[order], torch.zeros(6), float(squares / 6), batches=[1, 2, 3])


accuracy()
shares()
auroc()
numbers()
g.write()
