"""uniform normal constant trunc_normal xavier_uniform xavier_normal kaiming_uniform kaiming_normal orthogonal sparse: what
torch.nn.init makes of a tensor of the input's shape and type with the generator seeded with `seed`. The second output
is what the generator draws next."""
import torch
from torch.nn import init

from golden import FLOATS, Golden, Input

g = Golden(__file__)
NONLINEARITIES = ['leaky_relu', 'relu', 'linear', 'tanh', 'selu']


def case(op, function, shape, dtype, **parameters):
    def run(x):
        torch.manual_seed(7)
        y = torch.full_like(x, 77)
        function(y)
        return y, torch.rand(1)
    g.case(op, run, [Input(torch.zeros(shape, dtype=dtype), grad=False)], seed=7, **parameters)


for dtype in FLOATS:
    for shape in ([3, 4], [5], [17], [2, 3, 2, 2], [4, 5]):
        case('uniform', lambda x: init.uniform_(x, -2, 3), shape, dtype, low=-2, high=3)
        case('normal', lambda x: init.normal_(x, 1, 0.5), shape, dtype, mean=1, std=0.5)
        case('constant', lambda x: init.constant_(x, 0.25), shape, dtype, value=0.25)
        case('trunc_normal', lambda x: init.trunc_normal_(x, 0.5, 2, -1, 3), shape, dtype, mean=0.5, std=2, low=-1, high=3)
    case('trunc_normal', lambda x: init.trunc_normal_(x), [50], dtype, mean=0, std=1, low=-2, high=2)
    for shape in ([3, 4], [6, 5], [4, 3, 2], [2, 3, 2, 2]):
        case('xavier_uniform', lambda x: init.xavier_uniform_(x), shape, dtype)
        case('xavier_uniform', lambda x: init.xavier_uniform_(x, 2.5), shape, dtype, gain=2.5)
        case('xavier_normal', lambda x: init.xavier_normal_(x, 0.5), shape, dtype, gain=0.5)
        case('orthogonal', lambda x: init.orthogonal_(x), shape, dtype)
        case('orthogonal', lambda x: init.orthogonal_(x, 2), shape, dtype, gain=2)
        case('kaiming_uniform', lambda x: init.kaiming_uniform_(x), shape, dtype)
        for i, name in enumerate(NONLINEARITIES):
            case('kaiming_uniform', lambda x: init.kaiming_uniform_(x, 0.5, 'fan_out', name), shape[:2], dtype, slope=0.5, fan_out=1, kind=i)
            case('kaiming_normal', lambda x: init.kaiming_normal_(x, 0.5, 'fan_in', name), shape[:2], dtype, slope=0.5, kind=i)
    case('orthogonal', lambda x: init.orthogonal_(x), [9, 9], dtype)
    for sparsity in (0, 0.1, 0.5, 1):
        case('sparse', lambda x: init.sparse_(x, sparsity), [7, 3], dtype, sparsity=float(sparsity), std=0.01)
    case('sparse', lambda x: init.sparse_(x, 0.3, 2), [4, 6], dtype, sparsity=0.3, std=2)
    case('xavier_normal', lambda x: init.xavier_normal_(x), [5], dtype)
    case('kaiming_normal', lambda x: init.kaiming_normal_(x), [5], dtype)
    case('orthogonal', lambda x: init.orthogonal_(x), [5], dtype)
    case('sparse', lambda x: init.sparse_(x, 0.5), [5], dtype, sparsity=0.5, std=1)
g.write()
