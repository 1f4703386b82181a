import pytest

from sorrel_recurrent_ppo.support.wording import counted, ranges


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 agents"), (1, "1 agent"), (2, "2 agents"), (10, "10 agents")]
)
def test_only_one_is_singular(number, text):
    assert counted(number, "agent") == text


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["3"], "3"),
        (["0", "1"], "0, 1"),
        (["0", "1", "2", "3"], "0-3"),
        (["0", "1", "2", "7", "8", "elder", "9", "10", "11"], "0-2, 7, 8, elder, 9-11"),
    ],
)
def test_consecutive_names_are_ranges(names, text):
    assert ranges(names) == text
