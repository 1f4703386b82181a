"""``python -m sorrel_recurrent_ppo``: the command line."""

from sorrel_recurrent_ppo.cli import main

if __name__ == "__main__":
    main()
