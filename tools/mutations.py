"""Mutation testing: check that the tests detect single faults in a copy of the code.

python tools/mutations.py [--only TEXT]
"""

# ruff: noqa: E501 - one mutation per line

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
UPDATE = ("learning/test_advantages", "learning/test_losses", "learning/test_ppo")
ACTING = ("policy/test_acting", "models/test_base")
STORING = ("learning/test_rollout", "models/test_base")
STUDIES = (
    "integration/test_studies",
    "population/test_agent_changes",
    "population/test_model_choice",
)
SAVING = ("models/test_checkpoint", "models/test_training_state")


class Mutation(NamedTuple):
    """A fault: ``new`` replaces ``old`` in ``file``, which one of ``tests`` must detect.

    Attributes:
        title: Description of the fault.
        file: Path of the module inside the package, without ``.py``.
        old: Text to replace, at its first occurrence.
        new: The replacement.
        tests: Paths of test files inside ``tests``, without ``.py``.
    """

    title: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = [
    Mutation("sign of the policy loss", "learning/losses", "return -torch.minimum(", "return torch.minimum(", UPDATE),
    Mutation("maximum instead of minimum of the surrogates", "learning/losses", "-torch.minimum(", "-torch.maximum(", UPDATE),
    Mutation("ratio clipped on one side only", "learning/losses", "ratio.clamp(1.0 - clip_range,", "ratio.clamp(0.0,", UPDATE),
    Mutation("sign of the TD error", "learning/advantages", "gamma * next_values - values)", "gamma * next_values + values)", UPDATE),
    Mutation("GAE without lambda", "learning/advantages", "0.0, gamma * gae_lambda)", "0.0, gamma)", UPDATE),
    Mutation("GAE off by one step", "learning/advantages", "range(len(deltas) - 1, -1, -1)", "range(len(deltas) - 2, -1, -1)", UPDATE),
    Mutation("GAE across episode ends", "learning/advantages", "np.where(episode_ends, 0.0, gamma", "np.where(False, 0.0, gamma", UPDATE),
    Mutation("next value off by one step", "learning/advantages", "np.append(values[1:], 0.0)", "np.append(values[:-1], 0.0)", UPDATE),
    Mutation("bootstrapping after done", "learning/advantages", "np.where(dones, 0.0,", "np.where(dones, values,", UPDATE),
    Mutation("truncation treated as termination", "learning/advantages", "values if truncate else", "values if not truncate else", UPDATE),
    Mutation("value loss without the factor 0.5", "learning/losses", "0.5 * error.mean()", "error.mean()", UPDATE),
    Mutation("minimum instead of maximum of the value errors", "learning/losses", "error = torch.maximum(error", "error = torch.minimum(error", UPDATE),
    Mutation("sign of the entropy bonus", "learning/ppo", "entropy_loss = -entropy", "entropy_loss = entropy", UPDATE),
    Mutation("sign of the log-ratio", "learning/ppo", "log_ratio = log_prob - ", "log_ratio = -log_prob + ", UPDATE),
    Mutation("returns without values", "learning/ppo", "returns = advantages + rollout.values", "returns = advantages", UPDATE),
    Mutation("gradients not cleared", "learning/ppo", "self.policy.zero_grad()", "pass", UPDATE),
    Mutation("gradients not clipped", "learning/ppo", "settings.max_grad_norm)", "1e9)", UPDATE),
    Mutation("KL limit ignored", "learning/ppo", "> 1.5 * target", "> 1e9 * target", UPDATE),
    Mutation("non-finite values not detected", "learning/ppo", "self._check_finite(table)", "pass", ("models/test_numerical_faults",)),
    Mutation("weights not rolled back", "models/training_state", "model.policy.load_state_dict(weights)", "pass", ("models/test_numerical_faults",)),
    Mutation("update gate inverted", "policy/cpu/gru_sequence", "np.subtract(h, n, out=following)", "np.subtract(n, h, out=following)", ("policy/cpu/test_gru_sequence",)),
    Mutation("GRU gradient not propagated through time", "policy/cpu/gru_sequence", "np.add(grad_outputs[t], grad_before, out=e)", "np.copyto(e, grad_outputs[t])", ("policy/cpu/test_gru_sequence",)),
    Mutation("no gradient of the bias", "policy/cpu/linear", "grad_output.sum(dim=0) if needs_grad_bias else None", "None", ("policy/cpu/test_linear",)),
    Mutation("no gradient of a layer's input", "policy/cpu/linear", "linear(grad_output, weight.t()) if needs_grad_x else None", "None", ("policy/cpu/test_linear",)),
    Mutation("product without the bias", "policy/cpu/matmul", "_pointwise(x, weight, bias,", "_pointwise(x, weight, None,", ("policy/cpu/test_matmul",)),
    Mutation("small-batch product not written to the output", "policy/cpu/matmul", "out=torch.from_numpy(out))", "out=torch.from_numpy(out.copy()))", ("policy/cpu/test_matmul",)),
    Mutation("freed memory returned to the system", "policy/cpu/malloc", "torch.empty(_BLOCK_BYTES,", "torch.empty(1,", ("policy/cpu/test_malloc",)),
    Mutation("cell state missing in the flat state", "policy/recurrent", "torch.cat(state, dim=2)", "torch.cat((state[0], state[0]), dim=2)", ("policy/test_recurrent", "policy/test_acting")),
    Mutation("h and c swapped", "policy/recurrent", "return h.contiguous(), c.contiguous()", "return c.contiguous(), h.contiguous()", ("policy/test_recurrent", "policy/test_acting")),
    Mutation("log-probability of one branch only", "policy/heads", "reduce(torch.add, log_prob)", "log_prob[-1]", ("policy/test_heads", "learning/test_ppo")),
    Mutation("padding passed to the heads", "policy/actor_critic", "if len(output) > len(positions):", "if False:", ("policy/test_actor_critic", "learning/test_ppo")),
    Mutation("padding positions ignored", "policy/actor_critic", "padded.index_copy(0, positions, features)", "padded.index_copy(0, positions.argsort(), features)", ("policy/test_actor_critic", "learning/test_ppo")),
    Mutation("advantages and returns swapped", "learning/ppo", "advantages=advantages,\n            returns=returns", "advantages=returns,\n            returns=advantages", UPDATE),
    Mutation("sign of the entropy", "policy/heads", "-(log_p.exp() * log_p)", "(log_p.exp() * log_p)", ("policy/test_heads", "learning/test_ppo")),
    Mutation("order of the branches swapped", "policy/actions", "index = index * size + int(choice)", "index = index + size * int(choice)", ("policy/test_actions",)),
    Mutation("no state reset after done", "learning/rollout", "        if done:\n            self.start_episode()", "        if False:\n            self.start_episode()", STORING),
    Mutation("episode ends of the previous rollout kept", "learning/rollout", "self.episode_ends[t] = False", "pass", STORING),
    Mutation("state after instead of before the step stored", "learning/rollout", "self.recurrent_states[t] = step.recurrent_state", "self.recurrent_states[t] = step.next_recurrent_state", STORING),
    Mutation("episode starts not stored", "learning/rollout", "self.episode_starts[t] = step.episode_start", "self.episode_starts[t] = False", STORING),
    Mutation("no episode end at the end of an epoch", "learning/rollout", "self.episode_ends[self.size - 1] = True", "pass", STORING),
    Mutation("previous action kept across episodes", "learning/rollout", "self.last_action: int | None = None", "pass", STORING),
    Mutation("mismatched action accepted", "learning/rollout", "if not _is_same_action(action, step.action):", "if False:", STORING),
    Mutation("sequence across a replaced state", "learning/rollout", "self._next_state_replaced = True", "pass", ("models/test_reference_api",)),
    Mutation("padding included in the burn-in state", "policy/recurrent", "packed = pack_padded_sequence(x, lengths, enforce_sorted=False)\n        _, final = self.rnn(packed, state)", "_, final = self.rnn(x, state)", ("policy/test_recurrent", "learning/test_ppo")),
    Mutation("current instead of old log-probabilities", "learning/ppo", "log_prob - targets.old_log_probs", "log_prob - log_prob.detach()", UPDATE),
    Mutation("log-probabilities not normalised", "policy/acting", "- highest - math.log(total)", "- highest", ACTING),
    Mutation("input and forget gates swapped", "policy/acting", "i, f, g, o = self._quarters", "f, i, g, o = self._quarters", ACTING),
    Mutation("reset gate used as update gate", "policy/acting", "np.multiply(next_flat_state, self._update", "np.multiply(next_flat_state, self._reset", ACTING),
    Mutation("moved weights not detected", "policy/acting", "step is not None and step.current()", "step is not None", ACTING),
    Mutation("optimizer moments not rolled back", "models/training_state", "model.optimizer.load_state_dict(moments)", "pass", ("models/test_numerical_faults",)),
    Mutation("reward scale not rolled back", "models/training_state", "model.return_scale = scale\n        model.learner", "model.learner", ("models/test_numerical_faults",)),
    Mutation("shuffling stream not rolled back", "models/training_state", "model.learner.rng.bit_generator.state = shuffling", "pass", ("models/test_numerical_faults",)),
    Mutation("pending step discarded by an invalid observation", "models/base", "        obs = read_observation(state, self.layout.size, self.display_name)\n        rollout.discard_pending()  # rewards are optional in evaluation", "        rollout.discard_pending()\n        obs = read_observation(state, self.layout.size, self.display_name)", ("models/test_call_sequences",)),
    Mutation("running return kept across an episode end", "models/base", "if self.training and not self._rollout.size:", "if False:", ("models/test_call_sequences",)),
    Mutation("scalars after the picture ignored", "policy/encoders", "torch.cat((x, obs[:, self.picture_size :]), dim=1)", "torch.cat((x, 0 * obs[:, self.picture_size :]), dim=1)", ACTING),
    Mutation("random streams not loaded", "models/training_state", "    model.random_streams = [", "    _ = [", SAVING),
    Mutation("optimizer not loaded", "models/training_state", '    _load_optimizer(model, state["optimizer"])', "    pass", SAVING),
    Mutation("digest not verified", "models/checkpoint", "if trailer != _MARK", "if False and trailer != _MARK", SAVING),
    Mutation("studies: agents identified by position", "population/agent_changes", "if rebuilt and not changes.rebound and len(new) == len(present):", "if True:", STUDIES),
    Mutation("studies: rebuilt agents taken for newcomers", "population/agent_changes", "if rebuilt and not", "if False and not", STUDIES),
    Mutation("studies: lent agents taken away", "population/reconciliation", "ignored=_agents_elsewhere(env, population, roster, agents),", "ignored=(),", STUDIES),
    Mutation("studies: changes within an epoch not seen", "population/lifecycle", "    if population.is_filled:\n        reconcile(env, population, in_reset=False)\n    elif", "    if population.is_filled:\n        pass\n    elif", STUDIES),
    Mutation("studies: training stays stopped", "population/lifecycle", "            model.train()\n            if not", "            if not", STUDIES),
    Mutation("studies: an agent learns after all", "models/base", "super().train(mode and self.learns)", "super().train(mode)", STUDIES),
    Mutation("studies: every environment is alone", "integration/install", "population_to_join(env) or _new", "_new", STUDIES),
    Mutation("studies: separate experiments keep joined seeds", "population/joining", "seed = _reseed(member, index, config)", "pass", STUDIES),
    Mutation("studies: every reset begins an epoch", "population/members", "return position in self._reset_this_epoch and acted", "return True", STUDIES),
    Mutation("studies: all take precedence over a kind", "population/model_choice", "return common if yields else special", "return common", STUDIES),
    Mutation("studies: a kind's parameters lost", "population/model_choice", "if kind is None else [f", "if True else [f", STUDIES),
    Mutation("studies: newcomers share a seed", "population/reconciliation", "index, population.n_named)\n    model", "index)\n    model", STUDIES),
    Mutation("studies: an update within an epoch", "models/base", "return self._rollout.has_episode_end", "return self._rollout.size > 0", ("models/test_epoch_updates",)),
    Mutation("studies: ends of earlier rollouts counted", "learning/rollout", "self.episode_ends[: self.size].any()", "self.episode_ends.any()", ("models/test_epoch_updates",)),
    Mutation("studies: a loop waits for a batch", "models/base", "self.settings.rollout_length or 1", "self.settings.rollout_length or 500", ("models/test_epoch_updates",)),
    Mutation("studies: the value of a state of no memory", "models/base", "self._context(position), position.recurrent_state", "self._context(position), 0 * position.recurrent_state", ("models/test_study_interface",)),
    Mutation("studies: the previous action missing in the value", "learning/rollout", "return Position(step.next_recurrent_state, step.action, 0.0)", "return Position(step.next_recurrent_state, None, 0.0)", ("models/test_study_interface",)),
    Mutation("studies: probes that share a model take it away", "population/members", "(member.model is model and is_ppo_model(model))", "False", STUDIES),
    Mutation("studies: lent agents get models of the probe", "integration/install", "if agents and all(is_lent(agent) for agent in agents):", "if False:", STUDIES),
    Mutation("studies: newcomers are not found at a first step", "population/lifecycle", "population.first_step_callbacks.append(_follow_agents)", "pass", STUDIES),
    Mutation("studies: newcomers act once with another model", "integration/install", "if known is not None and name == \"take_turn\":", "if False:", STUDIES),
    Mutation("studies: environments that are reset one by one are alone", "population/members", "if self.epoch >= 0:  # environments", "if True:  # environments", ("integration/test_complete_study",)),
    Mutation("studies: parameters of a kind for a model named for all lost", "population/model_choice", "            if choice is not None and choice.kind is None:", "            if False:", ("integration/test_own_models",)),
    Mutation("studies: lists of a kind by the index of all", "population/admission", "position = kind_index if section_key", "position = index if section_key", ("integration/test_own_models",)),
    Mutation("studies: own models evaluated with other sizes", "reports/saved_agents", "if find_name(type(agent.model)) == name:", "if False:", ("integration/test_own_models",)),
    Mutation("studies: agents that have left are evaluated", "reports/saved_runs", "if agent.last_epoch == last_epoch]", "if agent.last_epoch >= 0]", ("integration/test_complete_study",)),
    Mutation("resume: a coordinator's turns are not shortened", "experiments/resume/fast_forward", "if self._starts_running(coordinator):", "if False:", ("integration/test_complete_study",)),
    Mutation("resume: inserted agents are not rebuilt", "experiments/resume/member_restore", "self._found[index] = self._copy(index, env)", "pass", ("integration/test_complete_study",)),
    Mutation("resume: newcomers keep the models of those they replaced", "experiments/resume/member_restore", "if former is None or former.name != member.name or not population.owns(former):", "if False:", ("integration/test_complete_study",)),
    Mutation("resume: the learning rate of the last update is lost", "experiments/resume/model_state", "group[\"lr\"] = saved[\"lr\"]", "pass", ("integration/test_complete_study",)),
    Mutation("studies: channels by the number of kinds", "policy/observations", "channels, n_scalars = divmod(size, side * side)", "channels, n_scalars = n_kinds, 0", ("policy/test_observations",)),
    Mutation("continuing: an epoch without a reset is not begun", "population/lifecycle", "    if population.continues_without_reset:", "    if False:", ("experiments/resume/test_continuing_epochs",)),
    Mutation("continuing: rewards of the epoch before are kept", "population/members", "        self._clear_rewards()\n\n    def _clear", "        pass\n\n    def _clear", ("experiments/resume/test_continuing_epochs",)),
    Mutation("continuing: skipped epochs are counted by resets only", "experiments/resume/fast_forward", "        if population.is_recorded and self._count_epoch(without_reset=True):", "        if False:", ("experiments/resume/test_continuing_epochs",)),
    Mutation('continuing: a completed run is extended', 'experiments/experiment', 'if without_reset and state.get("is_complete"):', 'if False:', ("experiments/resume/test_continuing_epochs",)),
    Mutation("continuing: rows are written without a restored state", "experiments/logging/run_logging", "        if not self._is_restored:", "        if False:", ("experiments/resume/test_continuing_epochs",)),
    Mutation("continuing: a recorded epoch is not noted", "population/epoch_metrics", "            record_epoch(*args, **(values | kwargs))\n            population.is_recorded = True", "            record_epoch(*args, **(values | kwargs))", ("experiments/resume/test_continuing_epochs",)),
    Mutation("continuing: unrecorded epochs of an environment are lost", "experiments/logging/run_logging", "        if epoch <= self._last_recorded:", "        if not self._population.is_lockstep or epoch <= self._last_recorded:", ("experiments/resume/test_continuing_epochs",)),
    Mutation("kept checkpoints: the limit is ignored", "experiments/resume/kept_checkpoints", "if sum(sizes.values()) + n_bytes <= limit:", "if True:", ("experiments/resume/test_kept_checkpoints",)),
    Mutation("kept checkpoints: kept in every epoch", "experiments/resume/kept_checkpoints", "and epoch % self._every == 0", "and True", ("experiments/resume/test_kept_checkpoints",)),
    Mutation("interruption: an ignored SIGHUP stops the run", "experiments/interruption", "del numbers[_HANGUP]", "pass", ("experiments/test_interruption",)),
    Mutation("interruption: a second SIGHUP aborts", "experiments/interruption", "if number == getattr(signal, _HANGUP, None):", "if False:", ("experiments/test_interruption",)),
    Mutation("files: synced through a descriptor that only reads", "support/atomic_files", "os.open(path, os.O_RDWR)", "os.open(path, os.O_RDONLY)", ("system/test_file_rules",)),
    Mutation("hydra.job.chdir: paths from the run's directory", "support/original_directory", "return Path(hydra.runtime.cwd)", "return Path.cwd()", ("system/test_robustness",)),
    Mutation("resume: a removed state starts the run again", "experiments/resume/run_state", "if _n_rows(files.metrics, at_most=2) == 2:", "if False:", ("experiments/resume/test_resume",)),
    Mutation("resume: completed epochs are skipped one by one", "experiments/resume/fast_forward", "            self._shorten_loop()", "            pass", ("experiments/resume/test_resume",)),
    Mutation("runs: two at once in a process", "experiments/experiment", "if not _running.acquire(blocking=False):", "if not (_running.acquire(blocking=False) or True):", ("system/test_robustness",)),
    Mutation("evaluate: all threads", "reports/evaluate", "with untouched_random_state(), single_thread():", "with untouched_random_state():", ("reports/test_evaluation",)),
    Mutation("evaluate: announces models", "cli/__init__", 'if name != "run":', "if False:", ("system/test_cli",)),
    Mutation("open files: the system's limit is ignored", "experiments/open_files", "and highest < needed:", "and False:", ("system/test_robustness",)),
    Mutation("names: the first part of one is no mistake", "population/model_choice", "if other.partition(\"_\")[0] == name]", "if False]", ("population/test_model_choice",)),
    Mutation("messages: the missing package line is not named", "cli/error_messages", "return _misplaced_section(error) or _without_details(error)", "return _without_details(error)", ("system/test_cli",)),
    Mutation("switches: updates in inference mode", "support/torch_switches", "switches.enter_context(torch.inference_mode(False))", "pass", ("models/test_torch_switches",)),
    Mutation("compiled policies: their names are saved", "models/training_state", 'return name.replace(_COMPILED, "")', "return name", ("models/test_torch_switches",)),
    Mutation("plots: the first of many agents are in the legend", "experiments/logging/plotting", "slice(-MAX_AGENTS_IN_LEGEND, None)", "slice(MAX_AGENTS_IN_LEGEND)", ("experiments/logging/test_plotting",)),
    Mutation("slow units take in too little", "policy/recurrent", "torch.logit(((1.0 - kept**2) / 3.0).sqrt())", "torch.logit(1.0 - kept)", ("policy/test_actor_critic",)),
    Mutation("matvec: the slower method is chosen", "policy/cpu/matvec", 'return "vecdot" if best["dot"] >', 'return "vecdot" if best["dot"] <', ("policy/test_matvec",)),
    Mutation("matvec: a small difference decides", "policy/cpu/matvec", "_CLEARLY_FASTER = 1.4", "_CLEARLY_FASTER = 0.0", ("policy/test_matvec",)),
    Mutation("matvec: measured for each weight", "policy/cpu/matvec", "if _chosen is None:", "if True:", ("policy/test_matvec",)),
    Mutation("matvec: the choice of a run outlives it", "policy/cpu/matvec", "        _chosen = before\n", "        pass\n", ("policy/test_matvec",)),
    Mutation("matvec: the choice is not stored", "experiments/resume/run_state", '"large_matvec": chosen_large_matvec()', '"large_matvec": None', ("experiments/resume/test_resumed_kernels",)),
    Mutation("matvec: the stored choice is ignored", "experiments/experiment", "using_large_matvec(saved_large_matvec(state))", "using_large_matvec(None)", ("experiments/resume/test_resumed_kernels",)),
    Mutation("picture: border of ones", "policy/encoder_step", "np.zeros((n_in, height + 2", "np.ones((n_in, height + 2", ("policy/test_acting",)),
    Mutation("picture: neighbourhoods transposed", "policy/encoder_step", "transpose(0, 3, 4, 1, 2)", "transpose(0, 4, 3, 1, 2)", ("policy/test_acting",)),
    Mutation("picture: convolution without bias", "policy/encoder_step", "np.add(self._output, self._bias, out=self._output)", "pass", ("policy/test_acting",)),
    Mutation("picture: no ReLU after a convolution", "policy/encoder_step", "np.maximum(self._output, 0.0, out=self._output)", "pass", ("policy/test_acting",)),
    Mutation("picture: no ReLU after the linear layer", "policy/encoder_step", "np.maximum(output, self._zeros, out=output)", "pass", ("policy/test_acting",)),
    Mutation("picture: scalars are left out", "policy/encoder_step", "self._scalars[:] = inputs[self._size :]", "self._scalars[:] = 0.0", ("policy/test_acting",)),
    Mutation("threads: the slower way is kept", "experiments/thread_choice", "parallel < _WORTHWHILE", "parallel > _WORTHWHILE", ("experiments/test_thread_choice",)),
    Mutation("threads: the first updates count", "experiments/thread_choice", "if self._is_first:", "if False:", ("experiments/test_thread_choice",)),
    Mutation("threads: a single model counts", "experiments/thread_choice", "n_updates < 2", "n_updates < 1", ("experiments/test_thread_choice",)),
    Mutation("threads: measured in sweeps", "experiments/parallel_training", "if in_sweep or", "if", ("experiments/test_thread_choice",)),
    Mutation("kinds: a misspelt one is all agents", "population/model_choice", " and not is_misspelt", "", ("population/test_model_choice",)),
    Mutation("kinds: the right one beside a misspelt one is named", "population/model_choice", "unknown = kind if not by_name[kind] else", "unknown = kind if kind else", ("population/test_model_choice",)),
    Mutation("sections: misspelt ones pass", "population/near_misses", "if key not in _SECTIONS and", "if False and", ("population/test_near_misses",)),
    Mutation("obs_dim: another picture passes", "policy/observations", "1 not in shape and picture != shape", "False", ("policy/test_observations",)),
    Mutation("config files: hidden ones pass", "experiments/shadowed_files", "if hidden and", "if False and", ("system/test_cli",)),
    Mutation("worlds: agents without a place are a traceback", "experiments/world_checks", "if not str(error).endswith(_NOT_PLACED):", "if True:", ("system/test_robustness",)),
    Mutation("acceleration: attributes are not copied", "acceleration/entity_copies", "copied.__dict__.update(attributes)", "pass", ("acceleration/test_entity_copies",)),
    Mutation("acceleration: mutable attributes are shared", "acceleration/entity_copies", "if _IMMUTABLE.issuperset(map(type, attributes.values())):", "if True:", ("acceleration/test_entity_copies",)),
    Mutation("acceleration: a class's own reduction is ignored", "acceleration/entity_copies", "and cls.__reduce_ex__ is object.__reduce_ex__", "and True", ("acceleration/test_entity_copies",)),
    Mutation("acceleration: a class's __deepcopy__ is ignored", "acceleration/entity_copies", '("__deepcopy__", "__getattr__"', '("__getattr__"', ("acceleration/test_entity_copies",)),
    Mutation("acceleration: slots are not copied", "acceleration/entity_copies", "cls.__basicsize__ == object.__basicsize__", "True", ("acceleration/test_entity_copies",)),
    Mutation("acceleration: the memo of a copy is ignored", "acceleration/entity_copies", "if memo is None and", "if", ("acceleration/test_entity_copies",)),
    Mutation("acceleration: entities put ahead of a turn are not found", "acceleration/cells", "array.flat", "array.ravel().tolist()", ("acceleration/test_cells",)),
    Mutation("acceleration: indices in the wrong order", "acceleration/cells", "itertools.product(*map(range, shape))", "np.ndindex(shape[::-1])", ("acceleration/test_cells",)),
    Mutation("acceleration: cells in the order of memory", "acceleration/cells", "array.flat", "array.T.flat", ("acceleration/test_cells",)),
    Mutation("acceleration: a layer is missing", "acceleration/one_hot", "range(1, kinds.shape[2])", "range(1, kinds.shape[2] - 1)", ("acceleration/test_one_hot",)),
    Mutation("acceleration: fractions are added in another order", "acceleration/one_hot", "bool((table == np.floor(table)).all())", "True", ("acceleration/test_one_hot",)),
    Mutation("acceleration: numbers beyond exact sums", "acceleration/one_hot", "table.max() <= _LARGEST_COUNT", "True", ("acceleration/test_one_hot",)),
    Mutation("acceleration: maps in another order of memory", "acceleration/one_hot", "not height >= width >= layers or type", "type", ("acceleration/test_one_hot",)),
    Mutation("acceleration: pollution is no river", "acceleration/pollution", 'n_polluted + kinds.count("River")', 'kinds.count("River")', ("acceleration/test_pollution",)),
    Mutation("acceleration: vectors turned the wrong way", "acceleration/vectors", "_ASIDE = ((0, 1), (1, 0)", "_ASIDE = ((0, 1), (-1, 0)", ("acceleration/test_vectors",)),
    Mutation("acceleration: the layer of a vector is lost", "acceleration/vectors", "aside * column[1], layer", "aside * column[1], 0", ("acceleration/test_vectors",)),
    Mutation("acceleration: vectors of other numbers are computed", "acceleration/vectors", "and type(layer) is", "and layer is layer and type(direction) is", ("acceleration/test_vectors",)),
    Mutation("acceleration: paths of one name", "acceleration/sprite_paths", "if key not in self._made:", "if not self._made:", ("acceleration/test_sprite_paths",)),
    Mutation("acceleration: paths know their factory", "acceleration/sprite_paths", "self._made[key] = Path(self) / key", "self._made[key] = _Directory(Path(self) / key)", ("acceleration/test_sprite_paths",)),
    Mutation("acceleration: functions of another Sorrel are replaced", "acceleration/switch", "if not replacement.is_known(original):", "if original is None:", ("acceleration/test_switch",)),
    Mutation("acceleration: functions are not restored", "acceleration/switch", "is equivalent:", "is None:", ("acceleration/test_switch",)),
    Mutation("acceleration: it outlasts the run", "acceleration/switch", "if on and not was_on:", "if False:", ("acceleration/test_switch",)),
    Mutation("acceleration: the key of a run is ignored", "experiments/experiment", "accelerated(is_accelerated)", "accelerated(False)", ("acceleration/test_accelerated_runs",)),
    Mutation("acceleration: the key of a script's config is ignored", "integration/install", 'if config.get("accelerate"):', "if False:", ("acceleration/test_switch",)),
]  # fmt: skip


def result_of(mutation: Mutation, tree: Path) -> str:
    """Return ``"killed"``, ``"survived"``, or an error of the mutation itself."""
    file = tree / "sorrel_recurrent_ppo" / f"{mutation.file}.py"
    text = file.read_text()
    if mutation.old not in text:
        return "not found"
    file.write_text(text.replace(mutation.old, mutation.new, 1))
    code = run_tests(mutation.tests, tree)
    file.write_text(text)
    return {0: "survived", 1: "killed"}.get(code, f"pytest ended with {code}")


def run_tests(names: Iterable[str], tree: Path) -> int:
    """Run test files of a tree; return pytest's exit code."""
    tests = [f"tests/{name}.py" for name in names]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *tests], cwd=tree, env=environment, capture_output=True, check=False
    )
    return done.returncode


def main() -> None:
    """Try every mutation and print the results; exit with 1 unless all are killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help="try only mutations whose title contains this text"
    )
    only = parser.parse_args().only
    mutations = [mutation for mutation in MUTATIONS if only in mutation.title]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        unwanted = shutil.ignore_patterns(".git", ".venv", "runs", ".hypothesis", "__pycache__")
        shutil.copytree(ROOT, tree, ignore=unwanted)
        # A test that fails without a mutation would kill all of them.
        if run_tests(sorted({name for m in mutations for name in m.tests}), tree):
            sys.exit("the tests must pass on the unchanged code")
        for mutation in mutations:
            results.append(result_of(mutation, tree))
            print(f"{results[-1]:10} {mutation.file}: {mutation.title}", flush=True)
    print(f"{results.count('killed')} of {len(results)} killed")
    sys.exit(results.count("killed") != len(results))


if __name__ == "__main__":
    main()
