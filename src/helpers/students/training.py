"""What all students share: the loss, the order of the data, the learning rate, and the loop itself."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from helpers.students import Student

#: Batches that are sorted by length together: enough for even lengths, few enough to keep the order random.
_BATCHES_SORTED_TOGETHER = 8

#: Devices whose fused step of AdamW divides the gradients by `grad_scale`. Metal's accepts it and does not look at it.
_DIVIDE_IN_THE_STEP = ("cpu", "cuda")


def fit(
    logits: Callable[[np.ndarray], Tensor],
    parameters: Iterable[nn.Parameter],
    student: Student,
    lengths: np.ndarray,
    targets: np.ndarray,
    *,
    rng: np.random.Generator,
    compute: torch.dtype = torch.float32,
) -> None:
    """Train `parameters` in place: AdamW, gradients clipped to norm 1, no early stop.

    Parameters
    ----------
    logits
        From the positions of a batch's texts, int array (batch,), their logits, (batch, labels).
    parameters
        In float32. Afterwards they are in `compute`.
    lengths
        Number of tokens of each training text, (n,): texts of like length share a batch.
    targets
        As in `helpers.students.train`, (n, labels).
    rng
        Draws the order of the data.
    compute
        What `parameters` are kept in while `logits` and its gradients are computed; the weights that the optimiser
        moves are float32 in any case.
    """
    weights = MasterWeights(parameters, compute)
    targets = torch.tensor(targets, dtype=torch.float32, device=weights.master.device)
    steps = student.steps(len(lengths))
    for step, batch in enumerate(batches(lengths, student.batch_size, steps, rng=rng)):
        loss = cross_entropy(logits(batch), targets[torch.from_numpy(batch).to(targets.device)])
        loss.backward()
        weights.step(student.learning_rate * triangle(step, steps, student.warmup))


class MasterWeights:
    """All weights in one float32 vector that AdamW moves, and the model's own as views of it or of a copy.

    Training in mixed precision as Micikevicius et al. (2018) describe it, without loss scaling, which bfloat16 does not
    need. One vector instead of a hundred tensors makes the step a handful of passes over memory.

    Parameters
    ----------
    parameters
        A model's, in float32; from here on they are in `compute` and share one vector.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], compute: torch.dtype):
        self.parameters = list(parameters)
        self.master = nn.Parameter(torch.cat([p.detach().flatten() for p in self.parameters]))
        self.master.grad = torch.zeros_like(self.master)
        self.working = self.master.detach().to(compute)  # in float32 the master itself
        sizes = [p.numel() for p in self.parameters]
        self.gradients = self.master.grad.split(sizes)
        for parameter, view in zip(self.parameters, self.working.split(sizes), strict=True):
            parameter.data = view.view(parameter.shape)
        self.optimiser = torch.optim.AdamW([self.master], weight_decay=0.0, fused=True)

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move the weights by their gradients, and clear these."""
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            gradient.zero_() if parameter.grad is None else gradient.copy_(parameter.grad.flatten())
            parameter.grad = None
        too_long = (torch.linalg.vector_norm(self.master.grad) + 1e-6).clamp(min=1.0)
        if self.master.device.type in _DIVIDE_IN_THE_STEP:
            # The fused step divides gradients by this anyway: clipping there saves a pass over all of them.
            self.optimiser.grad_scale = too_long
        else:
            self.master.grad /= too_long
        self.optimiser.param_groups[0]["lr"] = learning_rate
        self.optimiser.step()
        if self.working.dtype != self.master.dtype:
            self.working.copy_(self.master)


@torch.inference_mode()
def predict(logits: Callable[[np.ndarray], Tensor], lengths: np.ndarray, *, batch_size: int = 32) -> np.ndarray:
    """Class probabilities of texts, float32 (texts, labels), computed in batches of like lengths.

    Parameters
    ----------
    logits
        As in `fit`.
    lengths
        Number of tokens of each text, (texts,).
    """
    order = np.argsort(lengths, kind="stable")
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    found = torch.cat([logits(batch).float() for batch in batches])
    return found.softmax(dim=1).cpu().numpy()[np.argsort(order)]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over the texts of the cross entropy with their target distributions, each weighted by its row's sum."""
    weight = targets.sum().clamp(min=torch.finfo(targets.dtype).tiny)  # a batch may be all weight 0
    return -(targets * logits.float().log_softmax(dim=1)).sum() / weight


def triangle(step: int, steps: int, warmup: float) -> float:
    """Factor of the learning rate at `step` of `steps`: up to 1 over the share `warmup`, then down towards 0."""
    rise = max(1, round(warmup * steps))
    return (step + 1) / rise if step < rise else (steps - step) / max(1, steps - rise)


def batches(lengths: np.ndarray, batch_size: int, steps: int, *, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Positions of each step's batch: shuffled epochs, each text once an epoch, like lengths in one batch.

    Parameters
    ----------
    lengths
        Length of each text, (n,).
    steps
        Number of batches to yield; the last epoch may be cut short.

    Yields
    ------
    np.ndarray
        int array (batch_size,), or shorter where an epoch does not divide evenly.
    """
    lengths = np.asarray(lengths)
    block = batch_size * _BATCHES_SORTED_TOGETHER
    while steps > 0:
        order = rng.permutation(len(lengths))
        blocks = [order[i : i + block] for i in range(0, len(order), block)]
        order = np.concatenate([b[np.argsort(lengths[b], kind="stable")] for b in blocks])
        epoch = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
        for i in rng.permutation(len(epoch))[:steps]:
            yield epoch[i]
        steps -= len(epoch)
