"""RNN, LSTM and GRU, with all their outputs side by side.

States(KIND(input,hidden),OPTION…): the network is the member `net`. With the option `initial` the states before the first
step are parameters h0 (and c0), drawn by torch.rand behind the network. With `lengths` row i of n ends after
steps - i % steps. `dropout` is in percent. The result is the outputs, the last h and c, flat, one behind the other.
"""
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from golden import FLOATS, Golden
from golden_modules import case


class States(nn.Module):
    def __init__(self, net, initial=0, lengths=False):
        super().__init__()
        self.net = net
        self.lengths = bool(lengths)
        if initial:
            shape = (net.num_layers * (1 + net.bidirectional), initial, net.hidden_size)
            self.h0 = nn.Parameter(torch.rand(shape))
            if isinstance(net, nn.LSTM):
                self.c0 = nn.Parameter(torch.rand(shape))
        self.initial = initial

    def forward(self, x):
        net = self.net
        states = () if not self.initial else ((self.h0, self.c0) if isinstance(net, nn.LSTM) else self.h0,)
        if self.lengths:
            first = net.batch_first
            steps, rows = x.shape[int(first)], x.shape[1 - first]
            lengths = torch.tensor([steps - i % steps for i in range(rows)])
            packed = pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=False)
            y, last = net(packed, *states)
            y, _ = pad_packed_sequence(y, batch_first=first, total_length=steps)
        else:
            y, last = net(x, *states)
        last = last if isinstance(last, tuple) else (last,)
        return torch.cat([t.reshape(-1) for t in (y, *last)])


def network(kind):
    def make(i, h, layers=1, dropout=0, **options):
        return kind(i, h, layers, dropout=dropout / 100, **{k: bool(v) if isinstance(v, int) else v for k, v in options.items()})
    return make


WORDS = {'States': States, 'RNN': network(nn.RNN), 'LSTM': network(nn.LSTM), 'GRU': network(nn.GRU)}
KINDS = ('RNN', 'LSTM', 'GRU')

g = Golden(__file__)
for dtype in FLOATS:
    for kind in KINDS:
        def run(arguments, shape, outer='', kind=kind, dtype=dtype):
            case(g, f'States({kind}({arguments}){outer})', shape, 5, dtype, more=WORDS)
        run('3,5', [4, 2, 3])
        run('1,1', [1, 1, 1])
        run('2,17', [3, 5, 2])
        run('3,4,bias=0', [2, 3, 3])
        run('3,4', [5, 3])  # one row
        run('3,4,batch_first=1', [2, 5, 3])
        run('3,4,layers=2', [4, 2, 3], ',initial=2')
        run('2,3,layers=2,bidirectional=1', [4, 3, 2], ',initial=3')
        run('3,5', [4, 6, 3], ',lengths=1')
        run('2,3,layers=2,bidirectional=1,batch_first=1', [5, 4, 2], ',initial=5,lengths=1')
    case(g, "States(RNN(3,5,nonlinearity='relu',layers=2))", [3, 2, 3], 5, dtype, more=WORDS)
    for kind in KINDS:
        case(g, f'{kind}(40,100,layers=2,bidirectional=1)', None, 7, dtype, hashed=True, more=WORDS)
for kind, dtype in (('LSTM', FLOATS[1]), ('LSTM', FLOATS[0]), ('GRU', FLOATS[0]), ('RNN', FLOATS[0])):
    for arguments, shape, outer in (('2,3,layers=2,bidirectional=1,batch_first=1,dropout=50', [3, 4, 2], ''), ('2,3,layers=3,dropout=40', [3, 2], ''),
                                    ('2,2,layers=2,bidirectional=1,dropout=40', [4, 5, 2], ',lengths=1')):
        case(g, f'States({kind}({arguments}){outer})', shape, 5, dtype, more=WORDS)
for outer in ('', ',lengths=1'):
    case(g, f'States(GRU(2,2,layers=2,dropout=100){outer})', [3, 2, 2], 5, FLOATS[0], more=WORDS)
g.write()
