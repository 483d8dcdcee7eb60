"""Requests replayed against a plan, one by one, through simulated replicas: is the SLO met, and how closely?

``replay(plan, inputs, options)`` gives one :class:`Replay`; ``headroom_needed`` the headroom that would make
a plan pass. Nothing here opens a file, reads a clock or asks a solver."""

from __future__ import annotations

from advisor.simulate.headroom import Headroom, headroom_needed
from advisor.simulate.options import Options
from advisor.simulate.replaying import PreparedReplay, Replay, ReplayInputs, prepare, replay, replay_prepared

__all__ = [
    "Headroom",
    "Options",
    "PreparedReplay",
    "Replay",
    "ReplayInputs",
    "headroom_needed",
    "prepare",
    "replay",
    "replay_prepared",
]  # fmt: skip
