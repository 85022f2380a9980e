"""A voice chat in a web page, with Streamlit: type or record, and the reply is read and heard.

You learn: Streamlit runs this file from top to bottom on a thread of its own for each thing that a
user does, so `stream` simply waits there. `cache_resource` keeps one session for each browser tab,
makes it anew where it is closed, and closes it when the tab is. Whoever presses stop leaves the
`with` block, which gives the turn up.

Run it as `streamlit run samples/streamlitchat.py`, after `pip install streamlit`.

Needs OPENAI_API_KEY; OPENAI_BASE_URL names another server, if you want one. Without a key the
embedded server answers (extra `local`).
"""

import os
import wave

import numpy as np
import streamlit as st

from realtime_sync import RealtimeSession
from realtime_sync.errors import RealtimeError
from realtime_sync.local import LocalServer

RATE = 24000
HEARD = "conversation.item.input_audio_transcription.completed"


@st.cache_resource(on_release=LocalServer.close)
def embedded():
    return LocalServer().start()


@st.cache_resource(
    scope="session",
    on_release=RealtimeSession.close,
    validate=lambda session: session.state != "closed",
    show_spinner="Connecting ...",
)
def opened():
    endpoint = None if os.environ.get("OPENAI_API_KEY") else embedded().endpoint
    return RealtimeSession(
        endpoint=endpoint, turn_detection=None, transcription="gpt-4o-mini-transcribe"
    ).open()


def turn(session, text=None):
    with st.chat_message("assistant"), session.stream(text) as words:
        st.write_stream(words)
    st.session_state.reply = np.frombuffer(words.response.audio, "<i2")


def main():
    state = st.session_state
    st.title("realtime_sync")
    try:
        session = opened()
        for item in session.conversation.items:
            if item.role in ("user", "assistant"):
                st.chat_message(item.role).markdown(item.text)
        if "reply" in state and len(state.reply):
            st.audio(state.pop("reply"), sample_rate=RATE, autoplay=True)
        # a key of its own for each turn: what was recorded is said once
        turns = state.setdefault("turns", 0)
        recorded = st.audio_input("Speak", sample_rate=RATE, key=f"speech {turns}")
        typed = st.chat_input("or type", submit_mode="stop")
        state.turns += typed is not None or recorded is not None
        if typed:
            st.chat_message("user").markdown(typed)
            turn(session, typed)
        elif recorded is not None:
            with wave.open(recorded) as sound, session.expect(HEARD) as heard:
                pcm = sound.readframes(sound.getnframes())
                # by the buffer: what comes in an item is not written down
                session.input_audio_buffer.append(pcm, sample_rate=RATE, timeout=None)
                session.input_audio_buffer.commit()
                turn(session)
                heard.result(timeout=10)
        else:
            return
        st.rerun()  # the whole of it, with what was heard written down, and the reply spoken
    except (RealtimeError, ValueError) as exc:  # ValueError: under 100 ms were recorded
        st.error(str(exc))


main()
