import pytest

from sorrel_recurrent_ppo.support.wording import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 agents"), (1, "1 agent"), (2, "2 agents"), (10, "10 agents")]
)
def test_only_one_is_singular(number, text):
    assert counted(number, "agent") == text
