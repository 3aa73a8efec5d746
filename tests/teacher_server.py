"""A teacher's server on the loopback: real sockets, both APIs, troubles on demand."""

from __future__ import annotations

import hashlib
import json
import math
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "tiny-teacher"
SERVED = "tiny-teacher-2026-11"
KEY = "sk-loopback-0123456789abcdef"
"""What the environment of the tests holds as a key."""


def answer_text(prompt: str, sample: int = 0) -> str:
    """What the server answers, always the same to the same prompt; ends in a two-byte letter."""
    digest = hashlib.sha256(f"{prompt} {sample}".encode()).hexdigest()
    return f"{digest[:4]} {digest[4:7]} né"


def answer_tokens(text: str) -> list[bytes]:
    """The text cut into tokens; the last letter into its two bytes."""
    first, second, _ = text.split(" ")
    return [first.encode(), b" " + second.encode(), b" n", b"\xc3", b"\xa9"]


def likeliest(token: bytes, place: int, count: int) -> list[tuple[bytes, float]]:
    """The token itself and made-up others, the likeliest first."""
    others = [(b"other-%d" % rank, -(place + 1) / 8 - rank / 4) for rank in range(1, count)]
    return [(token, -(place + 1) / 8), *others]


Opinion = dict[str, float]
"""How probable each class is, by its name; the likeliest one is answered."""


def named(opinion: Opinion) -> str:
    """The class that a teacher of this opinion answers."""
    return max(opinion, key=lambda name: opinion[name])


def pieces(name: str) -> list[bytes]:
    """A class name cut into tokens of two letters."""
    return [name[place : place + 2].encode() for place in range(0, len(name), 2)]


def opinion_tokens(opinion: Opinion, count: int) -> list[tuple[bytes, list[tuple[bytes, float]]]]:
    """The tokens of the answer, and at each place the likeliest with their log-probabilities.

    As a language model has them: at each place the probability of every way to go on, given what
    has been said.
    """
    said: list[bytes] = []
    places = []
    for token in pieces(named(opinion)):
        going_on: dict[bytes, float] = {}
        for name, probability in opinion.items():
            if pieces(name)[: len(said)] == said and len(pieces(name)) > len(said):
                following = pieces(name)[len(said)]
                going_on[following] = going_on.get(following, 0.0) + probability
        total = sum(going_on.values())
        logs = {one: math.log(probability / total) for one, probability in going_on.items()}
        ranked = sorted(logs.items(), key=lambda pair: -pair[1])
        places.append((token, ranked[:count]))
        said.append(token)
    return places


@dataclass
class Trouble:
    """What the server does once instead of answering."""

    kind: str
    """status, drop, cut, malformed, stranger, hang, empty, length, filtered, no-log-probabilities,
    stream, broken-stream."""
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    words: str = "out of order"


@dataclass
class Seen:
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def prompts(self) -> list[str]:
        """The texts that were asked: the last message, or each text of the batch."""
        if "messages" in self.body:
            return [self.body["messages"][-1]["content"]]
        prompt = self.body["prompt"]
        return [prompt] if isinstance(prompt, str) else prompt


class TeacherServer:
    """Answers both APIs deterministically; a context manager."""

    model, served, key = MODEL, SERVED, KEY
    text = staticmethod(answer_text)
    tokens = staticmethod(answer_tokens)
    likeliest = staticmethod(likeliest)

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.troubles: list[Trouble] = []
        """Done one after the other, before anything is answered."""
        self.always: Trouble | None = None
        """Done each time."""
        self.opinion: Callable[[str], Opinion] | None = None
        """Where set, answers with a class by the chat API: what it thinks of a prompt."""
        self.permits: threading.Semaphore | None = None
        """Where set, an answer waits for a permit."""
        self.answered = threading.Condition()
        self.answers = 0
        self.open = threading.Event()
        """Set when the server goes, so that nothing hangs longer."""
        self._lock = threading.Lock()
        teacher = self

        class Handler(_Handler):
            server_of = teacher

        self._http = _Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def asked(self) -> list[str]:
        """All prompts that came in, in their order."""
        return [prompt for seen in self.seen for prompt in seen.prompts]

    def __enter__(self) -> TeacherServer:
        self._thread.start()
        return self

    def __exit__(self, *ignored: object) -> None:
        self.open.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def does(self, kind: str, times: int = 1, **told: Any) -> None:
        """Has a trouble instead of the next answers."""
        self.troubles += [Trouble(kind, **told)] * times

    def always_does(self, kind: str, **told: Any) -> None:
        """Has a trouble instead of every answer."""
        self.always = Trouble(kind, **told)

    def note(self, seen: Seen) -> Trouble | None:
        """Writes the request down; gives the trouble it meets."""
        with self._lock:
            self.seen.append(seen)
            return self.troubles.pop(0) if self.troubles else self.always

    def wait_for_answers(self, count: int) -> None:
        with self.answered:
            assert self.answered.wait_for(lambda: self.answers >= count, timeout=30)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of clients that were killed."""


class _Handler(BaseHTTPRequestHandler):
    server_of: TeacherServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        seen = Seen(self.path, dict(self.headers), json.loads(self.rfile.read(length)))
        trouble = self.server_of.note(seen)
        if self.server_of.permits is not None:
            self.server_of.permits.acquire()
        self._answer(seen, trouble or Trouble("none"))
        with self.server_of.answered:
            self.server_of.answers += 1
            self.server_of.answered.notify_all()

    def _answer(self, seen: Seen, trouble: Trouble) -> None:
        if self.server_of.opinion is not None:
            document = opinionated(seen, trouble.kind, self.server_of.opinion(seen.prompts[0]))
        else:
            document = (chat if "messages" in seen.body else completion)(seen, trouble.kind)
        body = json.dumps(document).encode()
        if trouble.kind == "hang":
            self.server_of.open.wait(30)
            self.close_connection = True
        elif trouble.kind == "drop":
            self.close_connection = True
        elif trouble.kind == "cut":
            self._send(200, body[:20], length=len(body))
            self.close_connection = True
        elif trouble.kind == "status":
            error = {"error": {"message": trouble.words, "type": "trouble"}}
            self._send(trouble.status, json.dumps(error).encode(), headers=trouble.headers)
        elif trouble.kind == "malformed":
            self._send(200, b'{"choices": [')
        elif trouble.kind == "stranger":
            self._send(200, b'{"hello": "I speak another API"}')
        elif trouble.kind in ("stream", "broken-stream"):
            self._send(
                200, stream(document, whole=trouble.kind == "stream"), kind="text/event-stream"
            )
        else:
            self._send(200, body)

    def _send(
        self,
        status: int,
        body: bytes,
        *,
        length: int | None = None,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def said(prompt: str, sample: int, kind: str) -> tuple[str, str]:
    """Text and finish reason."""
    text = "" if kind == "empty" else answer_text(prompt, sample)
    if prompt.startswith("say "):
        text = prompt.removeprefix("say ")
    reason = {"length": "length", "filtered": "content_filter"}.get(kind, "stop")
    return text, reason


def chat(seen: Seen, kind: str) -> dict[str, Any]:
    choices = []
    (prompt,) = seen.prompts
    for sample in range(seen.body.get("n", 1)):
        text, reason = said(prompt, sample, kind)
        wanted = seen.body.get("logprobs") and kind != "no-log-probabilities" and text
        content = [
            {
                "token": token.decode(errors="replace"),
                "logprob": likeliest(token, place, 1)[0][1],
                "bytes": list(token),
                "top_logprobs": [
                    {"token": one.decode(errors="replace"), "logprob": value, "bytes": list(one)}
                    for one, value in likeliest(token, place, seen.body["top_logprobs"])
                ],
            }
            for place, token in enumerate(answer_tokens(text) if wanted else [])
        ]
        choices.append(
            {
                "index": sample,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "finish_reason": reason,
                "logprobs": {"content": content, "refusal": None} if wanted else None,
            }
        )
    return envelope("chat.completion", choices, len(seen.prompts))


def opinionated(seen: Seen, kind: str, opinion: Opinion) -> dict[str, Any]:
    """A chat answer that names a class, with log-probabilities where they are asked for."""
    content = [
        {
            "token": token.decode(),
            "logprob": dict(ranked)[token],
            "bytes": list(token),
            "top_logprobs": [
                {"token": one.decode(), "logprob": value, "bytes": list(one)}
                for one, value in ranked
            ],
        }
        for token, ranked in opinion_tokens(opinion, seen.body.get("top_logprobs", 0))
        if seen.body.get("logprobs") and kind != "no-log-probabilities"
    ]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": named(opinion), "refusal": None},
        "finish_reason": "stop",
        "logprobs": {"content": content, "refusal": None} if content else None,
    }
    return envelope("chat.completion", [choice], 1)


def completion(seen: Seen, kind: str) -> dict[str, Any]:
    choices = []
    for row, prompt in enumerate(seen.prompts):
        for sample in range(seen.body.get("n", 1)):
            text, reason = said(prompt, sample, kind)
            wanted = seen.body.get("logprobs") and kind != "no-log-probabilities" and text
            tokens = [*answer_tokens(text)[:3], "é".encode()] if wanted else []
            logs = {
                "tokens": [token.decode() for token in tokens],
                "token_logprobs": [likeliest(t, place, 1)[0][1] for place, t in enumerate(tokens)],
                "top_logprobs": [
                    {one.decode(): value for one, value in likeliest(t, p, seen.body["logprobs"])}
                    for p, t in enumerate(tokens)
                ],
                "text_offset": [0 for _ in tokens],
            }
            index = row * seen.body.get("n", 1) + sample
            choice = {"index": index, "text": text, "finish_reason": reason}
            choices.append(choice | {"logprobs": logs if wanted else None})
    return envelope("text_completion", choices[::-1], len(seen.prompts))


def envelope(kind: str, choices: list[dict[str, Any]], prompts: int) -> dict[str, Any]:
    usage = {"prompt_tokens": 7 * prompts, "completion_tokens": 5 * len(choices)}
    return {
        "id": "reply-1",
        "object": kind,
        "created": 1,
        "model": SERVED,
        "choices": choices,
        "usage": usage | {"total_tokens": sum(usage.values())},
    }


def stream(document: dict[str, Any], *, whole: bool) -> bytes:
    """The chat document as server-sent events, letter by letter."""
    choice = document["choices"][0]
    frame = {"id": "reply-1", "object": "chat.completion.chunk", "created": 1, "model": SERVED}
    steps = [
        {"index": 0, "delta": {"content": letter}, "finish_reason": None}
        for letter in choice["message"]["content"]
    ]
    if whole:
        steps.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    events = [json.dumps(frame | {"choices": [step]}) for step in steps]
    return "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()
