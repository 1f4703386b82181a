"""Check an installed wheel with Sorrel's own command, from a folder outside the checkout.

Run it with the Python of the environment under test. If hydra-joblib-launcher is installed, it also
checks a sweep over processes.
"""

import importlib.util
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

SMALL = [
    "agent.agent.num=3",
    "experiment.max_turns=10",
    "env.height=12",
    "env.width=12",
    "env.initial_apples=2",
]
WITHOUT_SORREL = """
import sys
import hydra


@hydra.main(version_base=None)
def main(config):
    print("imported:", *[name for name in ("torch", "sorrel") if name in sys.modules])


main()
"""


def run(folder: Path, *command: str) -> str:
    """Run a command in a folder and return its output; exit if it fails."""
    done = subprocess.run(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout}")
    return done.stdout


def expect(what: str, printed: str, expected: list[str], unexpected: tuple[str, ...] = ()) -> None:
    """Exit unless the output contains every expected and no unexpected text."""
    missing = [text for text in expected if text not in printed]
    present = [text for text in unexpected if text in printed]
    if missing or present:
        sys.exit(f"{what}: missing {missing}, unexpected {present} in:\n{printed}")
    print(f"{what}: as expected")


def check_sorrels_command(folder: Path) -> None:
    """Check ``sorrel run cleanup`` with the package's models and with Sorrel's."""
    sorrel = str(Path(sysconfig.get_path("scripts")) / "sorrel")
    cleanup = (sorrel, "run", "cleanup", *SMALL)
    printed = run(folder, *cleanup, "agent.agent.model=lstm_ppo", "experiment.epochs=2")
    expect(
        "agent.agent.model=lstm_ppo",
        printed,
        ["agents 0-2: lstm_ppo (was iRainbowModel)", "Epoch:     2"],
    )
    printed = run(folder, *cleanup, "+model=gru_ppo", "experiment.epochs=1")
    expect("+model=gru_ppo", printed, ["agents 0-2: gru_ppo (was iRainbowModel)", "Epoch:     1"])
    printed = run(folder, *cleanup, "experiment.epochs=1")
    expect("no model", printed, ["Epoch:     1"], ("sorrel_recurrent_ppo", "_ppo"))


def check_other_applications(folder: Path) -> None:
    """Check a Hydra application without Sorrel and, if the launcher is installed, a sweep."""
    (folder / "without_sorrel.py").write_text(WITHOUT_SORREL)
    printed = run(folder, sys.executable, "without_sorrel.py")
    expect("an application without Sorrel", printed, ["imported:\n"])
    if importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is None:
        print("a sweep over processes: not checked, hydra-joblib-launcher is not installed")
        return
    sweep = ["-m", "hydra/launcher=joblib", "+model=gru_ppo,lstm_ppo,dqn", "experiment.epochs=0"]
    run(folder, sys.executable, "-m", "sorrel.examples.cleanup.main", *sweep, *SMALL)
    logs = sorted(folder.glob("multirun/*/*/*/main.log"))
    for name, log in zip(("gru_ppo", "lstm_ppo", "dqn"), logs, strict=True):
        expected = [f"agents 0-2: {name} (was iRainbowModel)"]
        expect(f"the sweep's job with {name}", log.read_text(), expected)


def main() -> None:
    """Run all checks in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        check_sorrels_command(Path(folder))
        check_other_applications(Path(folder))


if __name__ == "__main__":
    main()
