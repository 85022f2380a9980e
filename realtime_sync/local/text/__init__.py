"""The text models that the embedded server plays: the REST calls below its `url`.

Answers come from where those of realtime sessions come from: the script, else the rules.

- `routes` says which call is answered by what, `answering` with which words.
- `completions` is /chat/completions, `responses` is /responses.

Pure: a request and the time in, a reply or its steps out.
"""
