"""What the scripts for losses share."""
import warnings

import torch

from golden import Golden, Input

INF, NAN = float('inf'), float('nan')
REDUCTIONS = ('mean', 'sum', 'none', 'batchmean')
SHAPES = [([3, 5], [3, 5]), ([], []), ([1], [1]), ([33], [33]), ([2, 3, 5], [2, 3, 5]), ([3, 5], [5]), ([3, 1], [3]), ([5], []),
          ([0], [0]), ([3, 0], [3, 0]), ([3], [4])]
LAYOUTS = [('t=0,1', ''), ('', 's=1'), ('o=0', 't=0,1'), ('e=0', '')]
warnings.filterwarnings('ignore')


def sparse(dtype, reduction):
    """Whether to try what hangs neither on the type nor on the reduction."""
    return (dtype, reduction) in ((torch.float32, 'mean'), (torch.float64, 'none'))


class Losses(Golden):
    def loss(self, op, function, inputs, reduction, upstream=None, **parameters):
        self.case(op, lambda *x: function(*x, reduction=reduction), inputs, upstream=upstream,
                  reduction=REDUCTIONS.index(reduction) or None, **parameters)

    def share(self, shape, dtype, low=0.01, high=0.99, **more):
        return self.input(shape, dtype, low=low, high=high, **more)

    def classes(self, shape, count, *others):
        """Class numbers; `others` are put at every third place from the second on, in turns."""
        t = torch.randint(0, max(count, 1), shape, generator=self.random)
        for n in range(1, t.numel() if others else 0, 3):
            t.view(-1)[n] = others[n // 3 % len(others)]
        return t

    def signs(self, shape, dtype, grad=False):
        return Input(torch.randint(0, 2, shape, generator=self.random).to(dtype) * 2 - 1, grad=grad)
