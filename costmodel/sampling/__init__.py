"""Markov chain samplers on any state, irreversible ones above all, with their diagnostics."""

from costmodel.sampling.diagnostics import (
    autocorrelation,
    effective_sample_size,
    integrated_time,
    split_r_hat,
)
from costmodel.sampling.finite import MatrixMove, net_flow, transition_matrix
from costmodel.sampling.jump import Chains, JumpSampler, Samples
from costmodel.sampling.langevin import LangevinMove
from costmodel.sampling.move import GammaMove, GaussianMove, Move, Proposal, ProposalPair
from costmodel.sampling.tempering import Tempering, TemperingResult

__all__ = [
    "Chains",
    "GammaMove",
    "GaussianMove",
    "JumpSampler",
    "LangevinMove",
    "MatrixMove",
    "Move",
    "Proposal",
    "ProposalPair",
    "Samples",
    "Tempering",
    "TemperingResult",
    "autocorrelation",
    "effective_sample_size",
    "integrated_time",
    "net_flow",
    "split_r_hat",
    "transition_matrix",
]
