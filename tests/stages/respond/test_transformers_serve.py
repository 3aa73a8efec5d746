"""The server that transformers ships, with a tiny model made on the spot; nothing is fetched."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from edgedistill.core.endpoint import Endpoint
from edgedistill.core.stage import StageContext
from edgedistill.stages.respond import Message, Responding, open_responses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEEDED = ("transformers", "fastapi", "uvicorn", "openai", "accelerate")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
TEMPLATE = "{% for turn in messages %}{{ turn['content'] }}\n{% endfor %}"
PROMPTS = ["Hello", (Message("system", "Rhyme."), Message("user", "One")), "Größe"]


@contextmanager
def _serving() -> Iterator[tuple[str, threading.Event]]:
    """`transformers serve` on a free port of the loopback; loads a model when it is asked for.

    Gives its address and what is set when it listens: loading its libraries takes seconds.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.commands.transformers_cli", "serve"]
    serving = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    up = threading.Event()

    def listen() -> None:
        for line in serving.stderr or ():
            if "Uvicorn running" in line:
                up.set()

    listening = threading.Thread(target=listen)
    listening.start()
    try:
        yield f"http://127.0.0.1:{port}/v1", up
    finally:
        serving.kill()
        serving.wait()
        listening.join()
        if serving.stderr is not None:
            serving.stderr.close()


def _tiny_model(folder: Path) -> tuple[Any, Any]:
    """A random Llama over bytes, its tokenizer and a chat template, saved in the folder."""
    import torch
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    symbols = ["<end>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    whole = Tokenizer(BPE(vocab={symbol: place for place, symbol in enumerate(symbols)}, merges=[]))
    whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    whole.decoder = decoders.ByteLevel()
    names = ["input_ids", "attention_mask"]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=whole, eos_token="<end>", model_input_names=names
    )
    tokenizer.chat_template = TEMPLATE
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(symbols),
                hidden_size=32,
                intermediate_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=128,
                bos_token_id=None,
                eos_token_id=0,
            )
        )
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return model.eval(), tokenizer


def _greedy(model: Any, tokenizer: Any, prompt: str | tuple[Message, ...]) -> str:
    turns = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    inputs = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    made = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    answer = made[0, inputs["input_ids"].shape[1] :]
    return str(tokenizer.decode(answer, skip_special_tokens=True))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(bool(MISSING), reason=f"transformers serve needs {', '.join(MISSING)}")
@pytest.mark.filterwarnings("default")  # transformers' own are not what is tested
def test_the_server_of_transformers_answers_as_its_model_does(tmp_path: Path) -> None:
    with _serving() as (url, up):
        model, tokenizer = _tiny_model(tmp_path / "model")
        assert up.wait(240)
        endpoint = Endpoint(
            url=url,
            model=str(tmp_path / "model"),
            max_tokens=12,
            top_k_log_probabilities=3,
            concurrency=1,
            retries=0,
            timeout_s=60.0,
        )
        folder = tmp_path / "step"
        folder.mkdir()
        facts = Responding(PROMPTS, endpoint, {}).run(StageContext(folder)).facts
    expected = tuple(_greedy(model, tokenizer, prompt) for prompt in PROMPTS)
    assert open_responses(folder).texts == expected
    assert all(expected)
    assert facts["models_served"] == [f"{tmp_path / 'model'}@main"]
    assert facts["distillation"] == "sequence-level"  # it takes the wish for top k and ignores it
    assert facts["tokens"]["requests_without_usage"] == 3
