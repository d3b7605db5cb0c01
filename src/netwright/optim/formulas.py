"""Every update rule, written once: read by torch as it stands, and by Triton with its own `exp`, `sqrt`, ...

A rule is two functions. `..._scalars(t, product, lr, hyper)` gives the numbers of step t (t >= 1), in float64, and the new
`product` (a running product, only NAdam's); it is computed once for many parameters. The other, `name(p, g, state, k)`, has
one line for each line of the formula: p the parameter, g its gradient, `state` what the optimizer keeps, k the scalars. It
is elementwise and gives (p, state). What all rules share stands before them, in `netwright.optim.rules`: the sign for
`maximize`, weight decay (in the gradient or of the parameter), gradient scaling and clipping. So does the place of eps:
`sqrt(v + inner) + outer`, where one of the two is zero.

Only `+ - * /`, comparisons, indices, and the functions imported here may be used: torch and Triton have no more in common.
Triton reads annotations too, so the functions have none.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from torch import exp, maximum, sign, sqrt, where

# ------------------------------------------------------------ gradient descent


def sgd_scalars(t, product, lr, hyper):
    """The rate."""
    return (lr,), product


def sgd(p, g, state, k):
    """theta = theta - lr g (notes 1.1)."""
    return p - k[0] * g, state


def momentum_scalars(t, product, lr, hyper):
    """torch: b = mu b + g, theta -= lr b."""
    mu = hyper[0]
    return (mu, 1 + 0 * mu, lr), product


def damped_scalars(t, product, lr, hyper):
    """torch: b = mu b + (1 - dampening) g, theta -= lr b. The first b is g, undamped."""
    mu, dampening = hyper[0], hyper[1]
    return (mu, where(t > 1, 1 - dampening, 1 - 0 * dampening), lr), product


def momentum_notes_scalars(t, product, lr, hyper):
    """notes 1.3: v = mu v - lr g, theta += v. The lr is inside of v; dampening, which the notes lack, is (1 - dampening) g."""
    mu, dampening = hyper[0], hyper[1]
    return (mu, -lr * (1 - dampening), -1 + 0 * mu), product


def momentum(p, g, state, k):
    """theta = theta - lr b, where b is the buffer."""
    mu, share, lr = k[0], k[1], k[2]
    b = mu * state[0] + share * g
    return p - lr * b, (b,)


def nesterov_scalars(t, product, lr, hyper):
    """torch: b = mu b + g, p -= lr (g + mu b). p is the look-ahead point."""
    mu = hyper[0]
    return (mu, 1 + 0 * mu, lr, lr * mu), product


def nesterov_notes_scalars(t, product, lr, hyper):
    """notes 1.3 with p = theta + mu v: v' = mu v - lr g(p), p' = theta + v' + mu v' = p - lr g + mu v'."""
    mu = hyper[0]
    return (mu, -lr, lr, -mu), product


def nesterov(p, g, state, k):
    """theta = theta - lr g - ahead b."""
    mu, share, lr, ahead = k[0], k[1], k[2], k[3]
    b = mu * state[0] + share * g
    return p - lr * g - ahead * b, (b,)


# ------------------------------------------------------------ adaptive learning rates


def adagrad_scalars(t, product, lr, hyper):
    """The rate after t steps: lr / (1 + (t - 1) lr_decay)."""
    lr_decay, inner, outer = hyper[0], hyper[1], hyper[2]
    return (lr / (1 + (t - 1) * lr_decay), inner, outer), product


def adagrad(p, g, state, k):
    """s = s + g^2, theta -= lr g / (sqrt(s) + eps) (notes 1.4.1)."""
    lr, inner, outer = k[0], k[1], k[2]
    s = state[0] + g * g
    return p - lr * (g / (sqrt(s + inner) + outer)), (s,)


def rmsprop_scalars(t, product, lr, hyper):
    """The rate, beta, mu, and the places of eps."""
    beta, mu, inner, outer = hyper[0], hyper[1], hyper[2], hyper[3]
    return (lr, beta, 1 - beta, mu, inner, outer), product


def rmsprop(p, g, state, k):
    """s = beta s + (1 - beta) g^2, theta -= lr g / (sqrt(s) + eps) (notes 1.4.2)."""
    lr, beta, rest, inner, outer = k[0], k[1], k[2], k[4], k[5]
    s = beta * state[0] + rest * (g * g)
    return p - lr * (g / (sqrt(s + inner) + outer)), (s,)


def rmsprop_momentum(p, g, state, k):
    """b = mu b + g / (sqrt(s) + eps), theta -= lr b."""
    lr, beta, rest, mu, inner, outer = k[0], k[1], k[2], k[3], k[4], k[5]
    s = beta * state[0] + rest * (g * g)
    b = mu * state[1] + g / (sqrt(s + inner) + outer)
    return p - lr * b, (s, b)


def rmsprop_centered(p, g, state, k):
    """With the variance for the second moment: s - (mean g)^2 (Graves 2013)."""
    lr, beta, rest, inner, outer = k[0], k[1], k[2], k[4], k[5]
    s = beta * state[0] + rest * (g * g)
    mean = state[1] + rest * (g - state[1])
    return p - lr * (g / (sqrt(s - mean * mean + inner) + outer)), (s, mean)


def rmsprop_centered_momentum(p, g, state, k):
    """Both."""
    lr, beta, rest, mu, inner, outer = k[0], k[1], k[2], k[3], k[4], k[5]
    s = beta * state[0] + rest * (g * g)
    mean = state[1] + rest * (g - state[1])
    b = mu * state[2] + g / (sqrt(s - mean * mean + inner) + outer)
    return p - lr * b, (s, mean, b)


# ------------------------------------------------------------ adaptive moments


def adam_scalars(t, product, lr, hyper):
    """The rate, divided by 1 - beta1^t; 1 - beta2^t."""
    beta1, beta2, log1, log2, inner, outer = hyper[0], hyper[1], hyper[2], hyper[3], hyper[4], hyper[5]
    return (lr / (1 - exp(t * log1)), beta1, 1 - beta1, beta2, 1 - beta2, 1 - exp(t * log2), inner, outer), product


def adam(p, g, state, k):
    """m and s are means of g and g^2, debiased by 1 - beta^t; theta -= lr m / (sqrt(s) + eps) (notes 1.4.3).

    AdamW is the same with its own weight decay (notes 1.4.4).
    """
    lr, beta1, rest1, beta2, rest2, debias, inner, outer = k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7]
    m = beta1 * state[0] + rest1 * g
    s = beta2 * state[1] + rest2 * (g * g)
    return p - lr * (m / (sqrt(s / debias + inner) + outer)), (m, s)


def amsgrad(p, g, state, k):
    """With the largest s so far (Reddi et al. 2018)."""
    lr, beta1, rest1, beta2, rest2, debias, inner, outer = k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7]
    m = beta1 * state[0] + rest1 * g
    s = beta2 * state[1] + rest2 * (g * g)
    most = maximum(state[2], s)
    return p - lr * (m / (sqrt(most / debias + inner) + outer)), (m, s, most)


def nadam_scalars(t, product, lr, hyper):
    """Dozat 2016: mu_t = beta1 (1 - 0.96^(t psi) / 2); `product` is that of mu_1 to mu_t. `log4` is psi log 0.96."""
    beta1, beta2, log4, log2, inner, outer = hyper[0], hyper[1], hyper[2], hyper[3], hyper[4], hyper[5]
    mu = beta1 * (1 - 0.5 * exp(t * log4))
    ahead = beta1 * (1 - 0.5 * exp((t + 1) * log4))
    product = product * mu
    of_g, of_m = lr * (1 - mu) / (1 - product), lr * ahead / (1 - product * ahead)
    return (of_g, of_m, beta1, 1 - beta1, beta2, 1 - beta2, 1 - exp(t * log2), inner, outer), product


def nadam(p, g, state, k):
    """theta -= (of_g g + of_m m) / (sqrt(s) + eps)."""
    of_g, of_m, beta1, rest1, beta2, rest2, debias, inner, outer = k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7], k[8]
    m = beta1 * state[0] + rest1 * g
    s = beta2 * state[1] + rest2 * (g * g)
    return p - (of_g * g + of_m * m) / (sqrt(s / debias + inner) + outer), (m, s)


def lion_scalars(t, product, lr, hyper):
    """The rate and the betas."""
    beta1, beta2 = hyper[0], hyper[1]
    return (lr, beta1, 1 - beta1, beta2, 1 - beta2), product


def lion(p, g, state, k):
    """theta -= lr sign(beta1 m + (1 - beta1) g), m = beta2 m + (1 - beta2) g (Chen et al. 2023, algorithm 2).

    0 u lets a NaN through, whose sign would be 0.
    """
    lr, beta1, rest1, beta2, rest2 = k[0], k[1], k[2], k[3], k[4]
    u = beta1 * state[0] + rest1 * g
    return p - lr * (sign(u) + 0 * u), (beta2 * state[0] + rest2 * g,)
