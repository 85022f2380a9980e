"""The text models that the embedded server plays: the REST calls below its `url`.

Answers come from where those of realtime sessions come from: the script, else the rules.

- `routes` says which call is answered by what, `answering` with which words.
- `completions` is /chat/completions, `responses` is /responses, `speech` is /audio/transcriptions.
- `threads` has assistants, threads and messages, `runs` their runs and `running` one of them;
  `files` what was uploaded, `listing` objects of one kind and pages of them.
- `vocabulary` says which requests are right.

Pure: a request and the time in, a reply or its steps out.
"""
