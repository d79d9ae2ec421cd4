"""Writes trainer_rows.txt: the rows that Lightning's loggers get for small trainings, computed by a loop over torch.

A case is a line "case NAME KEY=NUMBER …", the options that test_trainer_rows.c reads, and the rows that follow it:

    row KIND EPOCH STEP NAME=VALUE …     KIND is step, validation, epoch, or lr (of LearningRateMonitor; EPOCH -1: it has none)

The loop below follows these rules of Lightning's:

 - A step is logged when the number of optimizer steps, itself included, is a multiple of log_every_n_steps; under that number less
   one, and the epoch. What accumulated batches before its last have logged is not. The epoch's values are means over all of its batches,
   weighted by their rows, also of those that were not logged.
 - LearningRateMonitor logs before the step, in a row of its own; the trainer here has it in the row of the step, so the test puts
   the two together. It is asked at each accumulated batch; the cases with a monitor have none.
 - At the end of an epoch come the schedule's step, validation with its row, then the epoch's row, both under the number of the last
   update; then a schedule that looks at the last validation. With val_check_interval (a share of the epoch, in batches rounded down) it
   comes behind those batches instead, and none at the end.
 - max_steps ends the epoch within; its row comes, a validation does not.
 - EarlyStopping counts validations without improvement, and the training ends with the epoch, or behind the batch.

Gradients of accumulated batches are weighted by rows, which is what Lightning has where all batches are equal; where they are not,
it divides by the number of batches to an update, which docs/differences.md tells of.
"""
import torch
from torch import nn

torch.set_num_threads(1)
SAMPLES = 50


def data():
    x = torch.arange(SAMPLES, dtype=torch.float32) / SAMPLES
    return x, 2 * x - x * x


class Loop:
    def __init__(self, out, **options):
        self.out, self.o = out, dict(batch=8, epochs=3, max_steps=-1, log_every=1, lr=0.1, accumulate=1, clip_norm=-1, clip_value=-1,
                                     schedule=0, monitor=0, patience=-1, min_delta=0, val_every=1, val_interval=0, limit_train=-1, drop_last=0)
        self.o.update(options)
        torch.manual_seed(7)
        self.model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        self.optim = torch.optim.SGD(self.model.parameters(), self.o["lr"], momentum=0.5)
        self.schedule = {0: lambda o: None, 1: lambda o: torch.optim.lr_scheduler.StepLR(o, 1, 0.5),
                         2: lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
                         3: lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=0, threshold=0.1)}[
                             self.o["schedule"]](self.optim)
        self.x, self.y = data()
        self.steps, self.stop, self.best, self.bad = 0, False, float("inf"), 0

    def row(self, kind, epoch, step, **values):
        text = " ".join(f"{name.replace('__', '-')}={value!r}" for name, value in values.items())
        self.out.write(f"row {kind} {epoch} {step} {text}\n")

    def loss(self, begin, end):
        return nn.functional.mse_loss(self.model(self.x[begin:end, None]).squeeze(1), self.y[begin:end])

    def batches(self):
        size = self.o["batch"]
        spans = [(i, min(i + size, SAMPLES)) for i in range(0, SAMPLES, size)]
        if self.o["drop_last"]:
            spans = [s for s in spans if s[1] - s[0] == size]
        return spans if self.o["limit_train"] < 0 else spans[:self.o["limit_train"]]

    def validate(self, epoch, number):
        total = 0.0
        with torch.no_grad():
            for begin in range(0, SAMPLES, 20):
                end = min(begin + 20, SAMPLES)
                total += self.loss(begin, end).item() * (end - begin)
        value = torch.tensor(total / SAMPLES, dtype=torch.float32).item()
        self.row("validation", epoch, number, val_loss=value)
        if self.o["patience"] >= 0:
            better = value + self.o["min_delta"] < self.best
            self.bad = 0 if better else self.bad + 1
            self.best = value if better else self.best
            self.stop = self.bad >= self.o["patience"]
        return value

    def update(self, rows):
        for p in self.model.parameters():
            p.grad /= rows
        if self.o["clip_norm"] >= 0:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.o["clip_norm"])
        if self.o["clip_value"] >= 0:
            nn.utils.clip_grad_value_(self.model.parameters(), self.o["clip_value"])
        self.optim.step()
        self.steps += 1
        if self.o["schedule"] == 2:
            self.schedule.step()

    def is_done(self):
        return self.stop or 0 <= self.o["max_steps"] <= self.steps

    def epoch(self, epoch):
        o, spans = self.o, self.batches()
        total, rows, window = 0.0, 0, 0
        period = int(len(spans) * o["val_interval"]) if o["val_interval"] else 0
        for i, (begin, end) in enumerate(spans):
            logged = (self.steps + 1) % o["log_every"] == 0
            if o["monitor"] and logged:
                self.row("lr", -1, self.steps, lr__sgd=self.optim.param_groups[0]["lr"])
            if window == 0:
                self.optim.zero_grad()
            loss = self.loss(begin, end)
            (loss * (end - begin)).backward()
            window += end - begin
            total += loss.item() * (end - begin)
            rows += end - begin
            if (i + 1) % o["accumulate"] == 0 or i + 1 == len(spans):
                number = self.steps
                self.update(window)
                window = 0
                if logged:
                    self.row("step", epoch, number, loss_step=loss.item())
            last = i + 1 == len(spans)
            if last and o["schedule"] == 1:
                self.schedule.step()
            at_end = last and not period and (epoch + 1) % o["val_every"] == 0
            if at_end or (period and (i + 1) % period == 0):
                value = self.validate(epoch, self.steps - 1)
            if self.is_done():
                break
        mean = torch.tensor(total / rows, dtype=torch.float32).item()
        self.row("epoch", epoch, self.steps - 1, loss_epoch=mean)
        if last and o["schedule"] == 3:
            self.schedule.step(value)

    def run(self, name):
        self.out.write(f"case {name} " + " ".join(f"{key}={value}" for key, value in self.o.items()) + "\n")
        for epoch in range(self.o["epochs"]):
            self.epoch(epoch)
            if self.is_done():
                break


CASES = dict(
    plain={},
    every_4=dict(log_every=4, epochs=4),
    never_within_an_epoch=dict(log_every=10, epochs=3),
    accumulate=dict(accumulate=2, drop_last=1),
    accumulate_3=dict(accumulate=3, log_every=2, epochs=4, drop_last=1),
    ragged=dict(accumulate=2),
    ragged_4=dict(accumulate=4, log_every=2, epochs=4),
    clip_norm=dict(clip_norm=0.05),
    clip_value=dict(clip_value=0.02, epochs=2),
    clip_both=dict(clip_norm=0.1, clip_value=0.03, accumulate=3, epochs=2),
    step_lr=dict(schedule=1, monitor=1, epochs=4, log_every=3),
    exponential=dict(schedule=2, monitor=1, epochs=2),
    exponential_accumulated=dict(schedule=2, accumulate=2, epochs=3),
    plateau=dict(schedule=3, monitor=1, epochs=6, log_every=5),
    plateau_within=dict(schedule=3, monitor=1, epochs=3, val_interval=0.5),
    val_every_2=dict(val_every=2, epochs=5, log_every=7),
    val_interval=dict(val_interval=0.4, epochs=2, log_every=2),
    limits=dict(limit_train=3, epochs=4, log_every=2),
    max_steps=dict(max_steps=10, epochs=9),
    max_steps_at_an_end=dict(max_steps=14, epochs=9, log_every=5),
    max_steps_accumulated=dict(max_steps=5, epochs=9, accumulate=2, drop_last=1),
    early=dict(patience=2, min_delta=0.01, epochs=30, log_every=5),
    early_within=dict(patience=2, min_delta=0.01, epochs=20, log_every=3, val_interval=0.5),
    all=dict(accumulate=2, clip_norm=0.2, schedule=1, patience=2, min_delta=0.001, lr=0.2, epochs=12, log_every=3, drop_last=1),
)

with open("trainer_rows.txt", "w", encoding="ascii") as out:
    for name, options in CASES.items():
        Loop(out, **options).run(name)
