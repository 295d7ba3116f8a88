"""Settings: where a value comes from, what is refused, what is shown."""

from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, mask_secrets


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "frauddesk.toml"
    file.write_text('port = 8001\nalert_budget = 40\nllm = "ollama:small"\n')
    settings = Settings.load({"port": 8003, "host": None}, {"FRAUDDESK_PORT": "8002", "FRAUDDESK_SEED": "3"}, file)
    assert (settings.port, settings.seed, settings.alert_budget, settings.llm, settings.host) == (
        8003,
        3,
        40,
        "ollama:small",
        "127.0.0.1",
    )


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"FRAUDDESK_PROT": "1"}, "did you mean port"),
        ({"FRAUDDESK_PORT": "many"}, "'many' is not a whole number"),
        ({"FRAUDDESK_PORT": "70000"}, "not between 1 and 65535"),
        ({"FRAUDDESK_ALERT_BUDGET": "0"}, "0 is not positive"),
        ({"FRAUDDESK_LLM": "gpt"}, "neither `extractive` nor `ollama:MODEL`"),
        ({"FRAUDDESK_LLM": "ollama:"}, "neither `extractive` nor `ollama:MODEL`"),
        ({"FRAUDDESK_OLLAMA_URL": "localhost:11434"}, "is not an http:// or https:// address"),
        ({"FRAUDDESK_LOG_LEVEL": "LOUD"}, "log_level"),
        ({"FRAUDDESK_CONFIG": "/nowhere/frauddesk.toml"}, "No such file"),
    ],
)
def test_a_wrong_setting_is_named(env: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load(env=env)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("port = ", "not valid TOML"),
        ("colour = 'red'", "colour (file) is unknown"),
        ("port = 3.5", "not a whole number"),
        ("host = 7", "is not text"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "frauddesk.toml"
    file.write_text(content)
    with pytest.raises(SettingsError) as raised:
        Settings.load(env={}, file=file)
    assert said in str(raised.value)


def test_everything_lives_under_home(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    for place in (settings.mlflow_uri, settings.mlflow_artifacts, settings.desk_database, str(settings.index_path)):
        assert place is not None and str(tmp_path) in place


def test_a_server_decides_where_its_artifacts_lie() -> None:
    assert Settings(tracking_uri="http://mlflow:5000").mlflow_artifacts is None


def test_passwords_are_never_shown() -> None:
    shown = Settings(database_url="postgresql://desk:hunter2@db/desk").shown()
    assert shown["database_url"] == "postgresql://desk:****@db/desk"
    assert mask_secrets("api_token", "abc") == "****"
