"""The network: observation -> encoder -> recurrent core -> heads.

It handles single steps and sequences; it stores nothing. ``actor_critic`` joins the parts,
``acting`` runs one step without autograd, ``cpu`` has kernels that are faster than PyTorch's own.
May import ``support`` and ``errors``; never imports Sorrel.
"""
