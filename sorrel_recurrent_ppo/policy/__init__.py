"""The network: observation -> encoder -> recurrent core -> heads.

It has no time beyond a sequence and no storage. ``actor_critic`` joins the parts, ``acting`` makes
one step without a graph, ``cpu`` has the kernels that are faster than PyTorch's own. May import
``support`` and ``errors``; never imports Sorrel.
"""
