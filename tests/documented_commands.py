"""How each command of README.md and docs/ is run by a test: as it stands, or as the table says and why."""

from __future__ import annotations

from tests.commands import Shortened

DEMO_DAYS = 3
ACCOUNT = (
    "export ACCOUNTS__UK__API_TOKEN=$SOURCES__REFERRAL_FACTORY__API_TOKEN WAREHOUSE__DIR=several; "
    "unset SOURCES__REFERRAL_FACTORY__API_TOKEN; "
)
SEVERAL = Shortened(
    f"cp -R account several && {ACCOUNT} referrals migrate --to accounts --account uk && "
    "referrals sync --account uk && referrals sync && rm -r several",
    "the data is a copy of that of the one account that the other pages use; one run shows both commands",
)
PREPARED = Shortened("test -s demo.said", "the test prepares its data with the same days")
IS_A_TEST = "they are run with all tests"

# Commands that run in the test exactly as a reader types them (patterns for the whole command).
AS_IT_STANDS: list[str] = [
    r"export (SOURCES__REFERRAL_FACTORY__API_TOKEN(_FILE)?|WAREHOUSE__DELIVER_TO|WAREHOUSE__STORAGE)=.*",
    r"export (WAREHOUSE__LAKE_(CATALOG|DATA)|PRIVACY__KEY_FILE)=.*",
    r"export (DESTINATION__ANALYTICS__(DESTINATION_TYPE|CREDENTIALS)|WAREHOUSE__DESTINATIONS)=.*",
    r"referrals (sync|load|build|publish|check|status|config|strikes|schedule|docs|sql|report)( .*)?",
    r"referrals (backup|restore|snapshots|privacy|forget|export)( .*)?",
    r"referrals (--version|sandbox --help)",
    r"referrals sandbox --file .*",
    r"python -c .*",
    r"(?s)python <<.*",
    r"make help",
]

# Commands that ask the marts, on what the demo has published. The others need none of them.
NEEDS_MARTS = r"referrals (sql|report|docs --format superset|mcp|serve)\b.*"

# Commands that run differently there, each with the reason.
SHORTENED: dict[str, Shortened] = {
    f"make run DAYS={DEMO_DAYS}": PREPARED,
    ". .venv/bin/activate": Shortened("command -v referrals", "the commands are on the PATH already"),
    "make setup": Shortened("make -n setup", ".ci/run does it; here it would install everything"),
    "make lint": Shortened("make -n lint", ".ci/run does it; it needs .venv"),
    "make lint test": Shortened("make -n lint test", "this is one of the tests"),
    "make bench ARGS='--quick'": Shortened("python -m tests.bench --help", "it takes minutes"),
    "pre-commit install": Shortened("test -f .pre-commit-config.yaml", "it is optional and not installed"),
    "make docs": Shortened("make -n docs", "it needs .venv; a test compares the dictionary with the SQL files"),
    "python -m pytest tests/api/test_api_query.py": Shortened("test -f tests/api/test_api_query.py", IS_A_TEST),
    "python -m pytest tests/load/test_adding_a_stream.py tests/end_to_end/test_planted_rows.py": Shortened(
        "test -f tests/load/test_adding_a_stream.py && test -f tests/end_to_end/test_planted_rows.py", IS_A_TEST
    ),
    'eval "$(_REFERRALS_COMPLETE=bash_source referrals)"': Shortened(
        """bash -c 'eval "$(_REFERRALS_COMPLETE=bash_source referrals)"; complete -p referrals'""",
        "it is a line of bash",
    ),
    "referrals privacy --new-key": Shortened(
        "PRIVACY__KEY_FILE=$HOME/key referrals privacy --new-key", "the setting is exported in the user's shell"
    ),
    "pip install 'referral-warehouse[lake]'": Shortened(
        "python -c 'import duckdb_extension_ducklake'", "the tests have its packages"
    ),
    "pip install 'referral-warehouse[postgres]'": Shortened(
        "python -c 'import psycopg2'", "the tests have its package"
    ),
    "referrals deliver --to analytics": Shortened(
        "DESTINATION__ANALYTICS__DESTINATION_TYPE=duckdb DESTINATION__ANALYTICS__CREDENTIALS=$HOME/analytics.duckdb "
        "referrals deliver --to analytics",
        "a file of DuckDB takes the place of a server",
    ),
    "referrals migrate --to ducklake": Shortened(
        "WAREHOUSE__STORAGE=ducklake WAREHOUSE__LAKE_CATALOG=moved.sqlite WAREHOUSE__LAKE_DATA=moved "
        "referrals migrate --to ducklake",
        "the settings are exported in the user's shell",
    ),
    "referrals sync --account uk": SEVERAL,
    "referrals migrate --to accounts --account uk": SEVERAL,
    "pip install 'apache-superset==6.1.*' duckdb-engine==0.17.0 duckdb==1.5.5 rich cachetools 'flask-caching<2.4'": (
        Shortened("python -c 'import duckdb'", "make soak installs it")
    ),
    "pip install streamlit duckdb": Shortened("python -c 'import duckdb'", "make soak installs it"),
    "WAREHOUSE_FILE=data/warehouse.duckdb streamlit run examples/streamlit_app.py": Shortened(
        "python -m py_compile examples/streamlit_app.py", "it serves until it is stopped; make soak runs it"
    ),
    "referrals init": Shortened(
        "token=$SOURCES__REFERRAL_FACTORY__API_TOKEN; unset SOURCES__REFERRAL_FACTORY__API_TOKEN; "
        'echo "$token" | referrals init && rm .dlt/secrets.toml',
        "it asks for the token, and refuses where the environment has one",
    ),
    "export WAREHOUSE__READERS_GROUP=analysts": Shortened(
        "export WAREHOUSE__READERS_GROUP=$(id -g)", "this machine has no such group"
    ),
    "referrals fix-clock": Shortened(
        "cp -R account clock && "
        "WAREHOUSE__DIR=clock SOURCES__REFERRAL_FACTORY__SIMULATED_TIME=false referrals fix-clock",
        "it refuses to run where days are simulated",
    ),
    "referrals sandbox --port 8000 --users 500": Shortened(
        "referrals sandbox --users 50 > said & until grep -q Sync said; do sleep 0.1; done; kill -TERM $!; wait $!",
        "it serves until it is stopped, and the port may be in use",
    ),
    "referrals mcp": Shortened("referrals mcp < /dev/null", "it answers until its input ends"),
    "referrals mcp --http --port 8765": Shortened(
        "WAREHOUSE__AGENTS_TOKEN=tok-0123456789ab referrals mcp --http > said & "
        "until grep -q Ready said; do sleep 0.1; done; kill -TERM $!; wait $! || test $? = 143",
        "it serves until it is stopped, and the port may be in use",
    ),
    "referrals serve --port 8780": Shortened(
        "WAREHOUSE__SERVE_TOKEN=tok-0123456789ab referrals serve > said & "
        "until grep -q Serving said; do sleep 0.1; done; kill -TERM $!; wait $! || test $? = 143",
        "it serves until it is stopped, and the port may be in use",
    ),
    "referrals docs --format dbt --out analytics": Shortened(
        "referrals docs --format dbt --out referrals-dbt", "the same with another folder is on another page"
    ),
    f"referrals demo --days {DEMO_DAYS}": PREPARED,
}
