"""Five ways to follow a gradient downhill, under torch's names, with torch's arguments, defaults and results.

p are the parameters, g = ∂loss/∂p their gradient; every equation holds entry by entry. An optimizer keeps what it
remembers between steps (a velocity, a mean of squares) in its `state`; it never writes into p or g:

    optimizer = Adam(lr=0.01)
    params = optimizer.step(params, grads)

params and grads are arrays, or dicts of arrays with the same keys. float32 arrays give float32; anything else is
computed in float64. Numbers that overflow behave as everywhere in NumPy: a warning and inf.

Order of arithmetic: one rounding for each operation, written below from left to right, with + − × ÷ and √ only.
Powers βᵗ are running products, 1·β·β·…, not calls of `pow`. Another program that follows these lines in float64 gets
the same bits; torch fuses and orders some operations differently and agrees up to rounding.
"""

import copy

import numpy as np

from ..checks import flag, float_arrays, real, sequence


class Optimizer:
    """What all optimizers share. A rule of one's own subclasses it and writes `update`; see `SGD`.

    lr             the learning rate, at least 0; may be set between steps: `optimizer.lr = schedule(step)`
    weight_decay   pulls the parameters to 0: λ·p is added to the gradient (`AdamW` does it differently)
    maximize       climb: the gradient counts with its sign turned
    """

    def __init__(self, lr, weight_decay=0, maximize=False):
        self.lr = lr
        self.weight_decay = real("weight_decay", weight_decay, 0)
        self.maximize = flag("maximize", maximize)
        self.state = {}  # key → (shape, whatever `update` keeps for these parameters)

    @property
    def lr(self):
        return self._lr

    @lr.setter
    def lr(self, value):
        self._lr = real("lr", value, 0)

    def step(self, params, grads):
        """One step against the gradient: params, grads → new params, in the form of params

        params   an array, or a dict of arrays (grads likewise)

        Each key has its own state, so the keys and shapes of the first step are those of all. TypeError or ValueError
        says what does not fit, and then nothing has changed.
        """
        if isinstance(params, dict) != isinstance(grads, dict):
            got = " and ".join(type(value).__name__ for value in (params, grads))
            raise TypeError(f"params and grads must both be arrays or both be dicts, got {got}")
        if not isinstance(params, dict):
            return self._step({None: params}, {None: grads})[None]
        if params.keys() != grads.keys():
            raise ValueError(f"grads must have {_keys(params)}, as params, got {_keys(grads)}")
        return self._step(params, grads)

    def _step(self, params, grads):
        if not params:
            raise ValueError("params must hold at least one array, got an empty dict")
        if self.state and params.keys() != self.state.keys():
            raise ValueError(
                f"params must be those of the first step, {_keys(self.state)}, got {_keys(params)}; "
                "other parameters need an optimizer of their own"
            )
        pairs = {}
        for key in params:
            names = ("params", "grads") if key is None else (f"params[{key!r}]", f"grads[{key!r}]")
            p, g = pairs[key] = float_arrays(**dict(zip(names, (params[key], grads[key]), strict=True)))
            if p.shape != g.shape:
                raise ValueError(f"{names[1]} must have the shape of {names[0]}, {p.shape}, got {g.shape}")
            if self.state and p.shape != self.state[key][0]:
                first = self.state[key][0]
                raise ValueError(f"{names[0]} must keep the shape of the first step, {first}, got {p.shape}")

        new, state = {}, {}
        for key, (p, g) in pairs.items():
            memory = self.state[key][1] if self.state else {}
            g = -g if self.maximize else g
            new[key], memory = self.update(p, g, memory)
            state[key] = p.shape, memory
        self.state = state
        return new

    def update(self, p, g, state):
        """(p, g, what the last step kept, {} at the first) → (new p, what to keep), without writing into any"""
        raise NotImplementedError(f"{type(self).__name__} must define update(p, g, state)")

    def fresh(self):
        """The same optimizer before its first step; this one stays as it is."""
        twin = copy.copy(self)
        twin.state = {}
        return twin

    def _decayed(self, p, g):
        """g + λ·p, the gradient of loss + λ/2·‖p‖²"""
        return g + self.weight_decay * p if self.weight_decay else g


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for:

    g ← g + λ·p     b ← μ·b + (1 − τ)·g, at the first step b ← g     p ← p − lr·b

    without momentum p ← p − lr·g, with nesterov p ← p − lr·(g + μ·b)

    momentum    μ, how much of the last velocity remains; 0 for none
    dampening   τ, how much of the new gradient is left out of the velocity
    nesterov    looks ahead by one more step of the velocity; needs momentum > 0 and dampening 0

    The learning rate multiplies the velocity when it is used. So, as in torch, a new lr changes the next step at
    once; in the form v ← μ·v − lr·g of Polyak 1964 and Sutskever et al. 2013 it would come in gradually.
    """

    def __init__(
        self,
        lr=1e-3,
        momentum=0,
        dampening=0,
        weight_decay=0,
        nesterov=False,
        *,
        maximize=False,
    ):
        super().__init__(lr, weight_decay, maximize)
        self.momentum = real("momentum", momentum, 0)
        self.dampening = real("dampening", dampening)
        self.nesterov = flag("nesterov", nesterov)
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            got = f"momentum {self.momentum} and dampening {self.dampening}"
            raise ValueError(f"nesterov must come with momentum above 0 and dampening 0, got {got}")

    def update(self, p, g, state):
        g = self._decayed(p, g)
        if self.momentum == 0:
            return p - self.lr * g, state
        b = self.momentum * state["b"] + (1 - self.dampening) * g if state else np.array(g)
        direction = g + self.momentum * b if self.nesterov else b
        return p - self.lr * direction, {"b": b}


class Adagrad(Optimizer):
    """Every parameter gets its own rate, which falls with all the squares it has seen:

    g ← g + λ·p     s ← s + g²     p ← p − (lr / (1 + t·η)) · g / (√s + ε),  t = 0, 1, …

    lr_decay                    η
    initial_accumulator_value   s before the first step
    eps                         ε; with 0, a gradient that has always been 0 gives 0/0

    Duchi, Hazan and Singer, "Adaptive subgradient methods", JMLR 2011.
    """

    def __init__(
        self,
        lr=1e-2,
        lr_decay=0,
        weight_decay=0,
        initial_accumulator_value=0,
        eps=1e-10,
        *,
        maximize=False,
    ):
        super().__init__(lr, weight_decay, maximize)
        self.lr_decay = real("lr_decay", lr_decay, 0)
        self.initial_accumulator_value = real("initial_accumulator_value", initial_accumulator_value, 0)
        self.eps = real("eps", eps, 0)

    def update(self, p, g, state):
        g = self._decayed(p, g)
        t, s = state.get("t", 0), state.get("s", self.initial_accumulator_value)
        s = s + g * g
        rate = self.lr / (1 + t * self.lr_decay)
        return p - rate * g / (np.sqrt(s) + self.eps), {"t": t + 1, "s": s}


class RMSprop(Optimizer):
    """Adagrad that forgets: the sum of squares becomes a moving mean.

    g ← g + λ·p     s ← α·s + (1 − α)·g²     d = √s + ε     p ← p − lr·g/d

    centered   m ← α·m + (1 − α)·g,  d = √(s − m²) + ε: the variance of g in place of its square
    momentum   μ > 0: b ← μ·b + g/d,  p ← p − lr·b

    alpha must be from 0 to 1. Where rounding makes s − m² negative, 0 is taken (torch's root gives NaN there).
    Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning", 2012; centered: Graves 2013.
    """

    def __init__(
        self,
        lr=1e-2,
        alpha=0.99,
        eps=1e-8,
        weight_decay=0,
        momentum=0,
        centered=False,
        *,
        maximize=False,
    ):
        super().__init__(lr, weight_decay, maximize)
        self.alpha = real("alpha", alpha, 0, 1)
        self.eps = real("eps", eps, 0)
        self.momentum = real("momentum", momentum, 0)
        self.centered = flag("centered", centered)

    def update(self, p, g, state):
        g = self._decayed(p, g)
        new = {"s": self.alpha * state.get("s", 0.0) + (1 - self.alpha) * (g * g)}
        square = new["s"]
        if self.centered:
            m = new["m"] = self.alpha * state.get("m", 0.0) + (1 - self.alpha) * g
            square = np.maximum(square - m * m, 0)
        direction = g / (np.sqrt(square) + self.eps)
        if self.momentum > 0:
            direction = new["b"] = self.momentum * state.get("b", 0.0) + direction
        return p - self.lr * direction, new


class Adam(Optimizer):
    """Momentum and RMSprop together, each divided by what is missing from its mean in the first steps:

    g ← g + λ·p     m ← β₁·m + (1 − β₁)·g     v ← β₂·v + (1 − β₂)·g²

    p ← p − lr · (m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε),  t = 1, 2, …

    The first step is lr·g/(|g| + ε) whatever the size of g: almost exactly ±lr.

    betas                    (β₁, β₂), each at least 0 and below 1
    amsgrad                  the largest v so far in place of v
    decoupled_weight_decay   p ← p − lr·λ·p before the step, and nothing added to g: `AdamW`

    Kingma and Ba, "Adam", 2015; amsgrad: Reddi, Kale and Kumar, 2018.
    """

    def __init__(
        self,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        amsgrad=False,
        *,
        maximize=False,
        decoupled_weight_decay=False,
    ):
        super().__init__(lr, weight_decay, maximize)
        if len(sequence("betas", betas, "a pair of numbers")) != 2:
            raise ValueError(f"betas must be a pair of numbers, got {betas!r}")
        self.betas = tuple(real(f"betas[{i}]", beta, 0, below=1) for i, beta in enumerate(betas))
        self.eps = real("eps", eps, 0)
        self.amsgrad = flag("amsgrad", amsgrad)
        self.decoupled_weight_decay = flag("decoupled_weight_decay", decoupled_weight_decay)

    def update(self, p, g, state):
        if not self.decoupled_weight_decay:
            g = self._decayed(p, g)
        elif self.weight_decay:
            p = p * (1 - self.lr * self.weight_decay)
        beta1, beta2 = self.betas
        power1, power2 = state.get("power1", 1.0) * beta1, state.get("power2", 1.0) * beta2  # β₁ᵗ, β₂ᵗ
        m = beta1 * state.get("m", 0.0) + (1 - beta1) * g
        v = beta2 * state.get("v", 0.0) + (1 - beta2) * (g * g)
        new = {"power1": power1, "power2": power2, "m": m, "v": v}
        if self.amsgrad:
            v = new["v_max"] = np.maximum(state.get("v_max", 0.0), v)
        mean, square = m / (1 - power1), v / (1 - power2)
        return p - self.lr * mean / (np.sqrt(square) + self.eps), new


class AdamW(Adam):
    """Adam with weight decay of its own, p ← p − lr·λ·p, which the division by √v does not touch.

    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
    """

    def __init__(
        self,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=1e-2,
        amsgrad=False,
        *,
        maximize=False,
    ):
        super().__init__(
            lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True
        )


def _keys(arrays):
    if None in arrays:
        return "a single array"
    return f"the keys {', '.join(repr(key) for key in arrays)}" if arrays else "no keys"
