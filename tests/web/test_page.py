"""The server's page in a real browser: what a person sees there, and does."""

from __future__ import annotations

import base64
import math
import struct
from urllib.parse import urlsplit

from local.dialling import dial, receive, send, until

from realtime_sync import RealtimeSession
from realtime_sync.local import LocalServer

from .browser import Browser

PATH = "/v1/realtime?model=gpt-realtime"
VOICE = b"".join(struct.pack("<h", int(12_000 * math.sin(n / 12))) for n in range(24 * 1000))


def tell(server: LocalServer, text: str) -> None:
    """A session in which the user says this, and gets an answer."""
    with RealtimeSession(endpoint=server.endpoint, output_modalities=["text"]) as session:
        session.ask(text)


def test_nobody_yet(browser: Browser, server: LocalServer) -> None:
    """Without a session the page says how to have one."""
    browser.reads("#link", "live")
    assert "No session yet" in browser.text("#empty")
    assert f"realtime-sync chat --url {server.url} --api-key any" in browser.text("#how")


def test_a_conversation(browser: Browser, server: LocalServer) -> None:
    """A session appears while it goes on: who it is, its events, its turns with their tools."""

    def look_up(city: str) -> str:
        """Looks it up."""
        browser.reads("#turns", "waits for 1 tool")
        return "4.5"

    with RealtimeSession(
        "my-model", endpoint=server.endpoint, output_modalities=["text"], tools=[look_up]
    ) as session:
        browser.reads("#label", str(session.id))
        assert browser.text("#response") == "no response yet"
        session.ask('call look_up {"city": "Oslo"}')
        browser.reads("#response", "response completed")
        session.ask("Count to 3")
        browser.until(lambda: browser.count("#turns tr") == 2)
        card = browser.text("#facts")
        assert "my-model" in card
        assert "GA" in card
        assert browser.text("#count") == "1 open, 0 ended"
    browser.reads("#count", "0 open, 1 ended")
    browser.reads("#state", "ended")
    newest, oldest = browser.texts("#turns tr")
    assert oldest.startswith("1")
    assert "2 × Σ" in oldest
    assert oldest.count(" ms") == 4  # no audio
    assert newest.endswith("completed")
    assert browser.text("#medians").startswith("median")
    types = browser.texts("#events .type")
    assert types[0] == "session.created"
    assert "response.output_text.delta" in types  # in the list, but hidden
    assert "response.output_text.delta" not in browser.text("#events")
    assert "1, 2, 3." in browser.text("#events")
    assert len(browser.colours()) > 50


def test_an_event_opened(browser: Browser, server: LocalServer) -> None:
    """A click shows the whole event, a second one hides it."""
    tell(server, "hello there")
    browser.reads("#count", "1 ended")  # what comes behind it would move it from under the mouse
    browser.until(lambda: "conversation.item.create" in browser.text("#events"))
    row = "#events .event.client:nth-child(4)"
    browser.click(f"{row} button")
    shown = browser.text(f"{row} pre")
    assert '"text": "hello there"' in shown
    browser.click(f"{row} button")
    assert browser.count("#events pre") == 0


def test_filters(browser: Browser, server: LocalServer) -> None:
    """By type and content, by who said it, with the deltas or without."""
    server.reply("first second third")
    tell(server, "say it")
    browser.reads("#count", "1 ended")
    browser.until(lambda: "response.done" in browser.text("#events"))
    every = browser.count("#events .event")
    browser.click("#deltas")
    assert browser.text("#shown") == f"{every} of {every} shown"
    browser.click("#filter")
    browser.press(*"TEXT.delta second")
    browser.until(lambda: browser.text("#shown").startswith("1 of"))
    assert browser.texts("#events .event:not([hidden]) .said") == ["second"]
    browser.press("ESCAPE")
    browser.until(lambda: browser.text("#shown") == f"{every} of {every} shown")
    browser.click("#who")
    browser.press(*"the client", "ENTER")
    browser.until(lambda: browser.count("#events .event.server:not([hidden])") == 0)
    assert browser.count("#events .event.client:not([hidden])") > 2


def test_by_keyboard(browser: Browser, server: LocalServer) -> None:
    """Without a mouse: sessions are chosen, events are found, opened, and left again."""
    for words in ("first words", "second words"):
        tell(server, words)
    browser.reads("#count", "2 ended")
    browser.until(lambda: "second words" in browser.text("#events"))
    browser.run("document.activeElement.blur()")
    browser.press("TAB", "TAB")
    browser.press("ARROW_DOWN", "ENTER")
    browser.until(lambda: "first words" in browser.text("#events"))
    assert not browser.run("return document.getElementById('newest').checked")
    assert browser.run("return document.activeElement.closest('#sessions') !== null")
    browser.press("/")
    browser.press(*"item.create")
    browser.until(lambda: browser.count("#events .event:not([hidden])") == 1)
    assert "conversation.item.create" in browser.press("ARROW_DOWN")
    browser.press("ENTER")
    assert '"first words"' in browser.text("#events pre")
    browser.press("ENTER")
    assert browser.count("#events pre") == 0


def test_waveforms(browser: Browser, server: LocalServer) -> None:
    """What was said both ways is drawn, each in its colour, with what happened marked."""
    user, model, cut = (8, 106, 90), (59, 91, 219), (154, 161, 173)
    with dial(server, PATH) as client:
        receive(client)
        browser.reads("#heard", "user 0.00 s")
        assert user not in {c for c, n in browser.colours("#wave").items() if n > 200}
        for pcm in (VOICE, bytes(48 * 1000)):
            audio = base64.b64encode(pcm).decode()
            send(client, "input_audio_buffer.append", audio=audio)
        events = until(client, "response.done")
        item = next(e["item"] for e in events if e["type"] == "response.output_item.done")
        send(
            client,
            "conversation.item.truncate",
            item_id=item["id"],
            content_index=0,
            audio_end_ms=500,
        )
        heard = browser.reads("#heard", "1 truncated")
        assert heard.startswith("user 2.00 s · model 1.")
        assert "1 speech · 1 response · 1 truncated" in heard
        assert browser.run("return document.getElementById('wave').ariaLabel").endswith(heard[-11:])
        browser.until(lambda: cut in browser.colours("#wave"))
        colours = browser.colours("#wave")
        assert min(colours.get(one, 0) for one in (user, model, cut)) > 200
        browser.click("#wave")
        browser.press("-")
        assert browser.run("return document.getElementById('span').value") == "120"
        browser.press("HOME")


def test_other_kinds(browser: Browser, server: LocalServer) -> None:
    """Sessions that have no responses wait for none."""
    with dial(server, "/v1/realtime/translations?model=m") as client:
        receive(client)
        browser.reads("#facts", "translation")
        assert browser.text("#response") == "listens"


def test_long_sound(browser: Browser, server: LocalServer) -> None:
    """Where not all sound is kept, the page says so."""
    assert server._site is not None
    sheet = server._site.begin("realtime", "m", "ga", "")
    audio = base64.b64encode(bytes(48 * 150_000)).decode()
    for _ in range(4):
        sheet.heard({"type": "input_audio_buffer.append", "audio": audio})
    assert "kept" not in browser.reads("#heard", "user 600.0 s")
    sheet.heard({"type": "input_audio_buffer.append", "audio": "AAAA" * 16_000})
    assert "the last 10 min of sound are kept" in browser.reads("#heard", "user 601.0 s")
    sheet.leave()


def test_readable(browser: Browser, server: LocalServer) -> None:
    """In both colour schemes text stands out by 4.5 to 1 at least."""

    def brightness(name: str) -> float:
        """Relative luminance of a colour, as WCAG has it."""
        style = "getComputedStyle(document.documentElement)"
        colour = browser.run(f"return {style}.getPropertyValue('{name}').trim().slice(1)")
        digits = colour if len(colour) == 6 else "".join(2 * one for one in colour)
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    tell(server, "hello")
    browser.reads("#response", "completed")
    for scheme, dark in (("light", False), ("dark", True)):
        browser.scheme(scheme)
        browser.until(lambda dark=dark: (brightness("--back") < 0.2) == dark)
        grounds = ("--back", "--card", "--hover", "--chosen")
        for ink in ("--ink", "--soft", "--user", "--model", "--bad", "--good", "--warn"):
            for ground in grounds:
                pale, strong = sorted((brightness(ink), brightness(ground)))
                assert (strong + 0.05) / (pale + 0.05) >= 4.5, (scheme, ink, ground)
        assert len(browser.colours()) > 50


def test_a_narrow_window(browser: Browser, server: LocalServer) -> None:
    """On a telephone nothing stands out of the window, and all of it is there."""
    browser.size(360, 740)
    tell(server, "hello")
    browser.reads("#count", "1 ended")
    browser.run("document.getElementById('list').scrollIntoView()")
    browser.until(lambda: "response.done" in browser.text("#events"))
    wide = (
        "return Math.max(...[...document.querySelectorAll('body > *, article > *, #events .event')]"
    )
    assert browser.run(f"{wide}.map((one) => one.getBoundingClientRect().right))") <= 360
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    assert "hello" in browser.text("#events")


def test_hostile_text(browser: Browser, server: LocalServer) -> None:
    """Whatever a client says is text on the page, and nothing else."""
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    with dial(server, f"/v1/realtime?model={'%3Cb%3Ebold%3C/b%3E'}") as client:
        receive(client)
        part = {"type": "input_text", "text": evil}
        item = {"type": "message", "role": "user", "content": [part]}
        send(client, "conversation.item.create", item=item)
        send(client, evil, **{evil: evil})
        until(client, "error")
        browser.until(lambda: evil in browser.text("#events"))
        assert "<b>bold</b>" in browser.text("#facts")
        browser.click("#events .event.client:nth-child(2) button")
        assert "onerror" in browser.text("#events pre")
    assert browser.count("img") == 1  # the page's own
    assert browser.count("b, #session script") == 0
    assert "owned" not in browser.driver.title


def test_a_flood(browser: Browser, server: LocalServer) -> None:
    """Of 10,000 events the page keeps 2,000, says so, and goes on."""
    with dial(server, PATH) as client:
        receive(client)
        for _ in range(50):
            for _ in range(100):
                send(client, "input_audio_buffer.clear")
            for _ in range(100):
                receive(client)
        browser.reads("#dropped", "The oldest 8,001 events of 10,001 are gone")
        assert browser.text("#shown") == "2,000 of 2,000 shown"
        assert browser.count("#events .event button") == 2000
        send(client, "conversation.item.delete", item_id="last")
        browser.until(lambda: "conversation.item.delete" in browser.text("#events"))


def test_two_hundred_sessions(browser: Browser, server: LocalServer) -> None:
    """All are listed, the newest is shown, and any other is a click away."""
    clients = [dial(server, PATH) for _ in range(200)]
    names = [receive(client)["session"]["id"] for client in clients]
    browser.reads("#count", "200 open")
    assert browser.count("#sessions li") == 200
    browser.reads("#label", names[-1])
    browser.click("#sessions li:nth-child(200) button")
    browser.reads("#label", names[0])
    for client in clients:
        client.close()
    browser.until(lambda: browser.text("#count") == "0 open, 100 ended")
    assert browser.count("#sessions li") == 100


def test_loaded_anew(browser: Browser, server: LocalServer) -> None:
    """Loaded anew the page goes on to each new session; or it stays at the one that was chosen."""
    for words in ("first words", "second words"):
        tell(server, words)
    browser.reads("#count", "2 ended")
    browser.until(lambda: "second words" in browser.text("#events"))
    browser.driver.refresh()
    browser.until(lambda: "second words" in browser.text("#events"))
    assert browser.run("return document.getElementById('newest').checked")
    tell(server, "third words")
    browser.until(lambda: "third words" in browser.text("#events"))
    browser.click("#sessions li:nth-child(3) button")
    browser.until(lambda: "first words" in browser.text("#events"))
    browser.driver.refresh()
    browser.until(lambda: "first words" in browser.text("#events"))
    assert not browser.run("return document.getElementById('newest').checked")
    browser.click("#newest")
    browser.until(lambda: "third words" in browser.text("#events"))
    assert "#" not in browser.driver.current_url


def test_a_page_that_nobody_looks_at(browser: Browser, server: LocalServer) -> None:
    """In a tab behind another the page holds no connection; looked at again it has everything."""
    browser.reads("#link", "live")
    site, driver = server._site, browser.driver
    assert site is not None
    page = driver.current_window_handle
    driver.switch_to.new_window("tab")
    try:
        browser.until(lambda: site._viewers == 0)
        tell(server, "said meanwhile")
    finally:
        driver.close()
        driver.switch_to.window(page)
    browser.until(lambda: "said meanwhile" in browser.text("#events"))


def test_too_many_who_watch(chromium: Browser) -> None:
    """Who comes when the house is full is told so, and let in when somebody has gone."""
    with LocalServer(speed=None, ui=True) as server:
        site = server._site
        assert site is not None
        with site.ledger.lock:
            site._viewers += 32
        chromium.open(server.ui_url)
        assert chromium.reads("#ended", "32 others watch this server already")
        assert chromium.text("#link") == "full"
        with site.ledger.lock:
            site._viewers -= 32
        chromium.reads("#link", "live")
        assert chromium.text("#ended") == ""
        assert chromium.complaints() == []


def test_the_end_of_the_server(chromium: Browser) -> None:
    """The page says that the server has ended, keeps what it has, and goes on with the next."""
    with LocalServer(speed=None, ui=True) as first:
        chromium.open(first.ui_url)
        tell(first, "before the end")
        chromium.until(lambda: "before the end" in chromium.text("#events"))
    assert chromium.reads("#ended", "The server has ended")
    assert chromium.text("#link") == "no connection"
    assert "before the end" in chromium.text("#events")
    port = int(str(urlsplit(first.url).port))
    with LocalServer(speed=None, ui=True, port=port) as second:
        chromium.reads("#link", "live")
        assert chromium.text("#ended") == ""
        chromium.until(lambda: chromium.count("#sessions li") == 0)
        tell(second, "after it")
        chromium.until(lambda: "after it" in chromium.text("#events"))
        assert "before the end" not in chromium.text("#events")
        assert chromium.count("#sessions li") == 1
