"""Learning from a trained network's answers."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from netwright.errors import NetwrightError
from netwright.training.recipes.recipe import Teacher


def distilled(student: Tensor, said: Tensor, teacher: Teacher) -> Tensor:
    """(n, classes) logits of the student and of its teacher -> (n,) float32 losses in nats; the teacher gets no gradient.

    "soft" is the divergence KL(teacher || student) of their probabilities at the temperature T, times T squared, so that
    gradients keep their size (Hinton et al. 2015, Section 2); "hard" is the cross entropy with the teacher's most probable
    class (Touvron et al. 2021, Section 4). Raises NetwrightError where the two do not have the same classes.
    """
    if student.shape != said.shape:
        raise NetwrightError(
            f"the teacher answers with {said.shape[1]} classes, the network has {student.shape[1]}: "
            "take a teacher that was trained on the same classes"
        )
    student, said = student.float(), said.detach().float()
    if teacher.kind == "hard":
        return F.cross_entropy(student, said.argmax(1), reduction="none")
    t = teacher.temperature
    wanted, given = F.log_softmax(said / t, 1), F.log_softmax(student / t, 1)
    return F.kl_div(given, wanted, reduction="none", log_target=True).sum(1) * t**2
