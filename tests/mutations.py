"""Breaks the code in many ways, each in a copy of the tree: do the tests notice?

python tests/mutations.py [--only TEXT]
"""

# ruff: noqa: E501 - one mutation a line

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
UPDATE = ("test_advantages_and_losses", "test_ppo_update")
CUTTING = ("test_sequences", "test_ppo_update")
ACTING = ("test_inference", "test_models")
STORING = ("test_rollout", "test_models")
SAVING = ("test_checkpoint",)


class Mutation(NamedTuple):
    """One fault: in ``file``, ``old`` becomes ``new``, which ``tests`` are to notice."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = [
    Mutation("sign of the policy loss", "ppo", "return -torch.minimum(", "return torch.minimum(", UPDATE),
    Mutation("the higher surrogate", "ppo", "-torch.minimum(", "-torch.maximum(", UPDATE),
    Mutation("clipped on one side", "ppo", "ratio.clamp(1.0 - clip_range,", "ratio.clamp(0.0,", UPDATE),
    Mutation("sign of delta", "ppo", "gamma * next_values - values)", "gamma * next_values + values)", UPDATE),
    Mutation("GAE without lambda", "ppo", "0.0, gamma * gae_lambda)", "0.0, gamma)", UPDATE),
    Mutation("GAE off by one", "ppo", "range(len(deltas) - 1, -1, -1)", "range(len(deltas) - 2, -1, -1)", UPDATE),
    Mutation("GAE runs on over ends", "ppo", "np.where(episode_ends, 0.0, gamma", "np.where(False, 0.0, gamma", UPDATE),
    Mutation("next value off by one", "ppo", "np.append(values[1:], 0.0)", "np.append(values[:-1], 0.0)", UPDATE),
    Mutation("bootstrap after done", "ppo", "np.where(dones, 0.0,", "np.where(dones, values,", UPDATE),
    Mutation("truncation as terminal", "ppo", "values if truncate else", "values if not truncate else", UPDATE),
    Mutation("half of the value loss lost", "ppo", "0.5 * error.mean()", "error.mean()", UPDATE),
    Mutation("the milder value error", "ppo", "error = torch.maximum(error", "error = torch.minimum(error", UPDATE),
    Mutation("sign of the entropy bonus", "ppo", "entropy_loss = -entropy", "entropy_loss = entropy", UPDATE),
    Mutation("sign of the log-ratio", "ppo", "log_ratio = log_prob - ", "log_ratio = -log_prob + ", UPDATE),
    Mutation("returns without values", "ppo", "returns = advantages + rollout.values", "returns = advantages", UPDATE),
    Mutation("gradients not cleared", "ppo", "self.policy.zero_grad()", "pass", UPDATE),
    Mutation("gradients not clipped", "ppo", "settings.max_grad_norm)", "1e9)", UPDATE),
    Mutation("KL limit ignored", "ppo", "> 1.5 * target", "> 1e9 * target", UPDATE),
    Mutation("faults of numbers let through", "ppo", "self._check_finite(table)", "pass", ("test_numerical_faults",)),
    Mutation("a fault's weights kept", "model_state", "model.policy.load_state_dict(weights)", "pass", ("test_numerical_faults",)),
    Mutation("update gate turned round", "gru_sequence", "np.subtract(h, n, out=following)", "np.subtract(n, h, out=following)", ("test_gru_sequence",)),
    Mutation("gradient of a GRU stops at a step", "gru_sequence", "np.add(grads[t], carried, out=e)", "np.copyto(e, grads[t])", ("test_gru_sequence",)),
    Mutation("a layer's bias is not learned", "linear", "at_y.sum(dim=0) if of_bias else None", "None", ("test_linear",)),
    Mutation("what is before a layer is not learned", "linear", "product(at_y, weight.t()) if of_x else None", "None", ("test_linear",)),
    Mutation("a product without its bias", "products", "_pointwise(x, weight, bias,", "_pointwise(x, weight, None,", ("test_products",)),
    Mutation("a product of few rows lands elsewhere", "products", "out=torch.from_numpy(out))", "out=torch.from_numpy(out.copy()))", ("test_products",)),
    Mutation("memory goes back to the system", "allocation", "torch.empty(_BLOCK_BYTES,", "torch.empty(1,", ("test_allocation",)),
    Mutation("c lost from the row", "recurrent", "torch.cat(state, dim=2)", "torch.cat((state[0], state[0]), dim=2)", ("test_recurrent", "test_inference")),
    Mutation("h and c swapped", "recurrent", "return h.contiguous(), c.contiguous()", "return c.contiguous(), h.contiguous()", ("test_recurrent", "test_inference")),
    Mutation("one branch's log-probability lost", "heads", "reduce(torch.add, log_prob)", "log_prob[-1]", ("test_policy", "test_ppo_update")),
    Mutation("padding sent to the heads", "policy", "if len(output) > len(positions):", "if False:", ("test_policy", "test_ppo_update")),
    Mutation("steps put in rows as if none were padded", "policy", "padded.index_copy(0, positions, features)", "padded.index_copy(0, positions.argsort(), features)", ("test_policy", "test_ppo_update")),
    Mutation("advantages and returns swapped", "ppo", "old_values, advantages, returns = batch", "old_values, returns, advantages = batch", UPDATE),
    Mutation("sign of the entropy", "heads", "-(log_p.exp() * log_p)", "(log_p.exp() * log_p)", ("test_policy", "test_ppo_update")),
    Mutation("branches swapped", "actions", "index = index * size + int(choice)", "index = index + size * int(choice)", ("test_actions",)),
    Mutation("no reset after done", "rollout", "        if done:\n            self.start_episode()", "        if False:\n            self.start_episode()", STORING),
    Mutation("ends of an earlier rollout kept", "rollout", "self.episode_ends[t] = False", "pass", STORING),
    Mutation("the state after, not before", "rollout", "self.recurrent_states[t] = step.recurrent_state", "self.recurrent_states[t] = step.next_recurrent_state", STORING),
    Mutation("starts forgotten", "rollout", "self.episode_starts[t] = step.episode_start", "self.episode_starts[t] = False", STORING),
    Mutation("an epoch's end left open", "rollout", "self.episode_ends[self.size - 1] = True", "pass", STORING),
    Mutation("the previous action kept over episodes", "rollout", "self.last_action: int | None = None", "pass", STORING),
    Mutation("another's action accepted", "rollout", "if not _is_same_action(action, step.action):", "if False:", STORING),
    Mutation("a replaced state not cut at", "rollout", "self._replaced = True", "pass", ("test_specification",)),
    Mutation("padding let into a warmed state", "recurrent", "packed = pack_padded_sequence(x, lengths, enforce_sorted=False)\n        _, final = self.rnn(packed, state)", "_, final = self.rnn(x, state)", ("test_recurrent", "test_ppo_update")),
    Mutation("log-probabilities of now, not of then", "ppo", "log_prob - old_log_prob", "log_prob - log_prob.detach()", UPDATE),
    Mutation("log-probabilities not normalised", "inference", "- highest - math.log(total)", "- highest", ACTING),
    Mutation("input and forget gates swapped", "inference", "i, f, g, o = self._quarters", "f, i, g, o = self._quarters", ACTING),
    Mutation("reset gate for update gate", "inference", "np.multiply(new_row, self._update", "np.multiply(new_row, self._reset", ACTING),
    Mutation("moved weights not followed", "inference", "step is not None and step.current()", "step is not None", ACTING),
    Mutation("a fault's moments kept", "model_state", "model.optimizer.load_state_dict(moments)", "pass", ("test_numerical_faults",)),
    Mutation("a fault's reward scale kept", "model_state", "model.return_scale = scale\n        model.learner", "model.learner", ("test_numerical_faults",)),
    Mutation("a fault's shuffling kept", "model_state", "model.learner.rng.bit_generator.state = shuffling", "pass", ("test_numerical_faults",)),
    Mutation("a refused observation takes a step away", "models", "        obs = read_observation(state, self.layout.size, self._who)\n        rollout.pass_over()  # in evaluation rewards need not come", "        rollout.pass_over()\n        obs = read_observation(state, self.layout.size, self._who)", ("test_call_sequences",)),
    Mutation("the running return over an episode's end", "models", "if self.training and not self._rollout.size:", "if False:", ("test_call_sequences",)),
    Mutation("no scalars after the picture", "encoders", "torch.cat((x, obs[:, self.picture_size :]), dim=1)", "torch.cat((x, 0 * obs[:, self.picture_size :]), dim=1)", ACTING),
    Mutation("stale random stream after loading", "model_state", "    model.random_streams = [", "    _ = [", SAVING),
    Mutation("optimizer not loaded", "model_state", '    _load_optimizer(model, state["optimizer"])', "    pass", SAVING),
    Mutation("digest not looked at", "checkpoint", "if trailer != _MARK", "if False and trailer != _MARK", SAVING),
]  # fmt: skip


def survives(mutation: Mutation, tree: Path) -> str:
    """Return ``"killed"``, ``"survived"``, or what is wrong with the list itself."""
    file = tree / "sorrel_recurrent_ppo" / f"{mutation.file}.py"
    text = file.read_text()
    if mutation.old not in text:
        return "not found"
    file.write_text(text.replace(mutation.old, mutation.new, 1))
    code = run_tests(mutation.tests, tree)
    file.write_text(text)
    return {0: "survived", 1: "killed"}.get(code, f"pytest ended with {code}")


def run_tests(names: Iterable[str], tree: Path) -> int:
    """Return pytest's exit code for the tests of a tree."""
    tests = [f"tests/{name}.py" for name in names]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *tests], cwd=tree, env=environment, capture_output=True, check=False
    )
    return done.returncode


def main() -> None:
    """Try every mutation, print each result and the sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="those whose description holds this text")
    only = parser.parse_args().only
    results = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        unwanted = shutil.ignore_patterns(".git", ".venv", "runs", ".hypothesis", "__pycache__")
        shutil.copytree(ROOT, tree, ignore=unwanted)
        # A test that fails anyway would kill every mutation.
        if run_tests(sorted({name for m in MUTATIONS for name in m.tests}), tree):
            sys.exit("the tests must pass on the code as it is")
        for mutation in MUTATIONS:
            if only in mutation.what:
                results.append(survives(mutation, tree))
                print(f"{results[-1]:10} {mutation.file}: {mutation.what}", flush=True)
    print(f"{results.count('killed')} of {len(results)} killed")
    sys.exit(results.count("killed") != len(results))


if __name__ == "__main__":
    main()
