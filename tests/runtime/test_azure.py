"""Azure's two paths, and what of it is in the environment."""

from __future__ import annotations

from typing import Any

import pytest
from pipe import Line

from realtime_sync import Azure, RealtimeSession
from realtime_sync.errors import ConfigurationError, ConnectError

KEY = "azure-canary-0123456789"
HOST = "https://name.openai.azure.com"
PREVIEW = "2025-04-01-preview"
GA_URL = "wss://name.openai.azure.com/openai/v1/realtime"
PREVIEW_URL = "wss://name.openai.azure.com/openai/realtime"

ROOTS = [HOST, f"{HOST}/", f"{HOST}/openai", f"{HOST}/realtime"]
GA_ROOTS = [f"{HOST}/openai/v1", f"{HOST}/openai/v1/", f"{HOST}/openai/v1/realtime"]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Key, endpoint and a preview's version, as Azure's own tools set them."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", f"{KEY}\n")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"{HOST}/")
    monkeypatch.setenv("OPENAI_API_VERSION", PREVIEW)
    return monkeypatch


# --- GA


@pytest.mark.parametrize("given", [*ROOTS, *GA_ROOTS])
def test_url(given: str) -> None:
    """GA's path is /openai/v1/realtime, the deployment is the model, and there is no version."""
    address = Azure(given, "my deployment", KEY).address({"model": "ignored"})
    assert address.url == f"{GA_URL}?model=my+deployment"
    assert address.headers == {"api-key": KEY}
    assert address.dialect == "ga"


@pytest.mark.parametrize(
    "host",
    ["name.services.ai.azure.com", "name.cognitiveservices.azure.com", "proxy.example/azure"],
)
def test_other_hosts(host: str) -> None:
    """Resources have several hosts, and may stand behind a proxy."""
    assert Azure(f"https://{host}", "d", KEY).address({"model": "m"}).url == (
        f"wss://{host}/openai/v1/realtime?model=d"
    )


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({"intent": "transcription"}, "?intent=transcription"),
        ({"call_id": "rtc_1"}, "?call_id=rtc_1"),
        ({}, ""),
    ],
)
def test_no_model(params: dict[str, str], query: str) -> None:
    """Transcription and sideband name no model."""
    assert Azure(HOST, "d", KEY).address(params).url == GA_URL + query


def test_token() -> None:
    """A token provider is asked each time, and its token is sent as a bearer."""
    tokens = iter(["one", "two\n"])
    endpoint = Azure(HOST, "d", token_provider=lambda: next(tokens))
    assert endpoint.address({}).headers == {"Authorization": "Bearer one"}
    assert endpoint.address({"intent": "transcription"}).headers == {"Authorization": "Bearer two"}


def test_client_secret() -> None:
    """A client secret is a bearer too."""
    assert Azure(HOST, "d", "ek_1").address({}).headers == {"Authorization": "Bearer ek_1"}


def test_a_deployment_is_needed_for_a_model() -> None:
    """Without a deployment there is no model; transcription needs none."""
    with pytest.raises(ConfigurationError, match="deployment: a name is needed"):
        Azure(HOST, api_key=KEY).address({"model": "m"})
    Azure(HOST, api_key=KEY).address({"intent": "transcription"})


# --- previews


@pytest.mark.parametrize("given", ROOTS)
def test_preview_url(given: str) -> None:
    """A preview has its own path, version and deployment in the query, and beta's header."""
    address = Azure(given, "d", KEY, api_version=PREVIEW).address({"model": "ignored"})
    assert address.url == f"{PREVIEW_URL}?api-version={PREVIEW}&deployment=d"
    assert address.headers == {"api-key": KEY, "OpenAI-Beta": "realtime=v1"}
    assert (address.dialect, address.azure) == ("beta", True)


def test_preview_transcription_and_token() -> None:
    """Intent and token are the same on previews."""
    endpoint = Azure(HOST, token_provider=lambda: "t", api_version=PREVIEW)
    address = endpoint.address({"intent": "transcription"})
    assert address.url == f"{PREVIEW_URL}?api-version={PREVIEW}&intent=transcription"
    assert address.headers["Authorization"] == "Bearer t"


def test_preview_has_no_sideband() -> None:
    """A sideband of a preview is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match="api_version: previews have no sideband"):
        Azure(HOST, "d", KEY, api_version=PREVIEW).address({"call_id": "rtc_1"})


def test_what_the_portal_shows() -> None:
    """The portal's URL has version and deployment in its query; arguments beat them."""
    shown = f"{HOST}/openai/realtime?api-version={PREVIEW}&deployment=d"
    assert Azure(shown, api_key=KEY).address({"model": "m"}).url == (
        f"{PREVIEW_URL}?api-version={PREVIEW}&deployment=d"
    )
    assert Azure(shown, "e", KEY, api_version="v1").address({"model": "m"}).url == (
        f"{GA_URL}?model=e"
    )
    mine = Azure(f"{GA_URL}?model=d&tag=1", api_key=KEY, query={"more": "2"})
    assert mine.address({"model": "m"}).url == f"{GA_URL}?tag=1&model=d&more=2"


@pytest.mark.parametrize("name", ["v1", "preview", "latest", ""])
def test_ga_by_its_names(name: str, environment: pytest.MonkeyPatch) -> None:
    """GA can be named, and is then GA whatever the environment says."""
    assert Azure(deployment="d", api_version=name).address({"model": "m"}).url == (
        f"{GA_URL}?model=d"
    )


# --- the environment


def test_the_environment(environment: pytest.MonkeyPatch) -> None:
    """What is left out is read from the environment, when the session opens."""
    endpoint = Azure(deployment="d")
    address = endpoint.address({"model": "m"})
    assert address.url == f"{PREVIEW_URL}?api-version={PREVIEW}&deployment=d"
    assert address.headers["api-key"] == KEY
    assert (endpoint.dialect, endpoint.api_version) == ("beta", PREVIEW)
    environment.delenv("OPENAI_API_VERSION")
    assert endpoint.address({"model": "m"}).url == f"{GA_URL}?model=d"
    assert (endpoint.dialect, endpoint.api_version) == ("ga", None)
    other = Azure("https://mine", "d", "k", api_version="2024-10-01-preview").address({"model": ""})
    assert other.url.startswith("wss://mine/openai/realtime?api-version=2024-10-01-preview&")
    assert other.headers["api-key"] == "k"


@pytest.mark.parametrize("version", ["2024-10-21", "v1", "preview", " "])
def test_versions_of_other_apis(version: str, environment: pytest.MonkeyPatch) -> None:
    """Only a preview's version in the environment means a preview: others are of other APIs."""
    environment.setenv("OPENAI_API_VERSION", version)
    assert Azure(deployment="d").address({"model": "m"}).url == f"{GA_URL}?model=d"


@pytest.mark.parametrize("given", GA_ROOTS)
def test_an_endpoint_of_ga(given: str, environment: pytest.MonkeyPatch) -> None:
    """A URL that ends in /openai/v1 is GA's, whatever version the environment has."""
    assert Azure(given, "d").address({"model": "m"}).url == f"{GA_URL}?model=d"
    environment.setenv("AZURE_OPENAI_ENDPOINT", given)
    assert Azure(deployment="d").address({"model": "m"}).url == f"{GA_URL}?model=d"
    with pytest.raises(ConfigurationError, match="api_version: the endpoint ends in /openai/v1"):
        Azure(given, "d", api_version=PREVIEW)


@pytest.mark.parametrize("missing", ["AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"])
def test_nothing_given(missing: str, environment: pytest.MonkeyPatch) -> None:
    """What is neither given nor set is named when the session opens."""
    environment.delenv(missing)
    session = RealtimeSession(endpoint=Azure(deployment="d"))
    with pytest.raises(ConfigurationError, match=f"{missing} is not set"):
        session.open()
    assert session.state == "new"


def test_the_environment_s_endpoint_is_checked_too(environment: pytest.MonkeyPatch) -> None:
    """A key of the environment does not cross the network in plain text either."""
    environment.setenv("AZURE_OPENAI_ENDPOINT", "http://example.com")
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_ENDPOINT: a key would cross"):
        Azure(deployment="d").check()


def test_openai_s_key_is_not_azure_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """OPENAI_API_KEY never goes to Azure."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ConfigurationError, match="AZURE_OPENAI_API_KEY is not set"):
        Azure(HOST, "d").address({})


# --- arguments


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"api_key": "k", "token_provider": lambda: "t"}, "give one of the two"),
        ({"token_provider": "token"}, "token_provider: a function"),
        ({"api_key": "k", "deployment": ""}, "deployment"),
        ({"api_key": "k", "endpoint": "nowhere"}, "endpoint: it must begin"),
        ({"api_key": "k", "api_version": "tomorrow"}, "api_version: a preview such as"),
        ({"api_key": "k", "api_version": 2025}, "api_version: a preview such as"),
    ],
)
def test_arguments(arguments: dict[str, Any], why: str) -> None:
    """What cannot be is refused, by name."""
    given = {"endpoint": HOST, "deployment": "d", **arguments}
    with pytest.raises(ConfigurationError, match=why):
        Azure(**given)


def test_azure_and_a_model() -> None:
    """With Azure the deployment is the model."""
    with pytest.raises(ConfigurationError, match="the deployment is the model"):
        RealtimeSession("m", endpoint=Azure(HOST, "d", KEY))


def test_repr() -> None:
    """An endpoint shows where it goes, never its key."""
    assert repr(Azure(HOST, "d", KEY)) == "<Azure wss://name.openai.azure.com d>"
    assert repr(Azure(api_key=KEY)) == "<Azure default>"


def test_a_token_at_every_connect(line: Line) -> None:
    """Each attempt asks for a token of its own: they expire."""
    tokens = iter(["one", "two"])
    session = line.session(endpoint=Azure(HOST, "d", token_provider=lambda: next(tokens)))
    line.plan(ConnectError("down"))
    with pytest.raises(ConnectError):
        session.open()
    session.open()
    assert [headers["Authorization"] for _, headers in line.dialled] == ["Bearer one", "Bearer two"]
