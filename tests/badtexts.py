"""Texts that are no UTF-8: those of Autobahn's section 6, which has them from Markus Kuhn's test.

For Autobahn each must end its link with 1007. For us a bad text is a bad message, and the link
lives. `tests/runtime/test_autobahn.py` sees that the suite still sends just these.
"""

from __future__ import annotations

__all__ = ["BAD_TEXTS", "CHOPS", "FRAGMENTS"]

#: Case -> the text.
BAD_TEXTS = {
    case: bytes.fromhex(text)
    for case, text in {
        "6.3.1": "cebae1bdb9cf83cebcceb5eda080656469746564",
        "6.3.2": "cebae1bdb9cf83cebcceb5eda080656469746564",
        "6.4.1": "cebae1bdb9cf83cebcceb5f4908080656469746564",
        "6.4.2": "cebae1bdb9cf83cebcceb5f4908080656469746564",
        "6.4.3": "cebae1bdb9cf83cebcceb5f4908080656469746564",
        "6.4.4": "cebae1bdb9cf83cebcceb5f4908080656469746564",
        "6.6.1": "ce",
        "6.6.3": "cebae1",
        "6.6.4": "cebae1bd",
        "6.6.6": "cebae1bdb9cf",
        "6.6.8": "cebae1bdb9cf83ce",
        "6.6.10": "cebae1bdb9cf83cebcce",
        "6.8.1": "f888808080",
        "6.8.2": "fc8480808080",
        "6.10.1": "f7bfbfbf",
        "6.10.2": "fbbfbfbfbf",
        "6.10.3": "fdbfbfbfbfbf",
        "6.11.5": "f4908080",
        "6.12.1": "80",
        "6.12.2": "bf",
        "6.12.3": "80bf",
        "6.12.4": "80bf80",
        "6.12.5": "80bf80bf",
        "6.12.6": "80bf80bf80",
        "6.12.7": "80bf80bf80bf",
        "6.12.8": "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbe",
        "6.13.1": "c020c120c220c320c420c520c620c720c820c920ca20cb20cc20cd20ce20cf20"
        "d020d120d220d320d420d520d620d720d820d920da20db20dc20dd20de20",
        "6.13.2": "e020e120e220e320e420e520e620e720e820e920ea20eb20ec20ed20ee20",
        "6.13.3": "f020f120f220f320f420f520f620",
        "6.13.4": "f820f920fa20",
        "6.13.5": "fc20",
        "6.14.1": "c0",
        "6.14.2": "e080",
        "6.14.3": "f08080",
        "6.14.4": "f8808080",
        "6.14.5": "fc80808080",
        "6.14.6": "df",
        "6.14.7": "efbf",
        "6.14.8": "f7bfbf",
        "6.14.9": "fbbfbfbf",
        "6.14.10": "fdbfbfbfbf",
        "6.15.1": "c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf",
        "6.16.1": "fe",
        "6.16.2": "ff",
        "6.16.3": "fefeffff",
        "6.17.1": "c0af",
        "6.17.2": "e080af",
        "6.17.3": "f08080af",
        "6.17.4": "f8808080af",
        "6.17.5": "fc80808080af",
        "6.18.1": "c1bf",
        "6.18.2": "e09fbf",
        "6.18.3": "f08fbfbf",
        "6.18.4": "f887bfbfbf",
        "6.18.5": "fc83bfbfbfbf",
        "6.19.1": "c080",
        "6.19.2": "e08080",
        "6.19.3": "f0808080",
        "6.19.4": "f880808080",
        "6.19.5": "fc8080808080",
        "6.20.1": "eda080",
        "6.20.2": "edadbf",
        "6.20.3": "edae80",
        "6.20.4": "edafbf",
        "6.20.5": "edb080",
        "6.20.6": "edbe80",
        "6.20.7": "edbfbf",
        "6.21.1": "eda080edb080",
        "6.21.2": "eda080edbfbf",
        "6.21.3": "edadbfedb080",
        "6.21.4": "edadbfedbfbf",
        "6.21.5": "edae80edb080",
        "6.21.6": "edae80edbfbf",
        "6.21.7": "edafbfedb080",
        "6.21.8": "edafbfedbfbf",
    }.items()
}

#: Case -> how many bytes each of its frames has.
FRAGMENTS = {"6.3.2": (1,) * 20, "6.4.1": (11, 4, 6), "6.4.2": (12, 1, 8)}

#: Case -> how many bytes each write has of the payload of its only frame.
CHOPS = {"6.4.3": (11, 4, 6), "6.4.4": (12, 1, 8)}
