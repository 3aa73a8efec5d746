"""Runs ONNX models on the machine it stands on: `python worker.py job.json`.

One file that is copied to the device: Python 3.8 syntax, standard library, numpy and onnxruntime.
It imports nothing of edgedistill, and edgedistill does not import it.

A job is a JSON object; every action writes the file named by `result` (JSON):

- `facts`: what this machine is.
- `measure`: raw wall and processor times of `models`, interleaved in rounds.
- `profile`: raw times of every operator of `models` by the runtime's profiler, in rounds, too.
- `memory`: by how many bytes this process grows that loads one `model` and runs it.
- `predict`: the outputs of one `model` for all `inputs`, into the npy file named by `outputs`.

Sessions get `provider` and `threads`; `openings` says by file what else: `provider_options`, and
`graph_optimization`, where "none" leaves the graph as it stands in the file.

Progress goes to standard output, one JSON object a line: `{"progress": 3, "total": 30}`. What the
job did wrong ends in `{"error": "..."}` and exit code 2; anything else in Python's own traceback
and exit code 1. With `"leash": true` the worker ends when its standard input closes, so that it
never outlives the host that started it.
"""

import ctypes
import errno
import functools
import gc
import hashlib
import json
import os
import platform
import random
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

MAX_BATCH = 64
PROGRESS_INTERVAL_S = 0.2
EMPTY_MODEL = bytes.fromhex(  # an ONNX file of one node, y = Relu(x)
    "08083a330a0c0a0178120179220452656c751201655a0f0a0178120a0a080801"
    "12040a020801620f0a0179120a0a08080112040a02080142040a00100d"
)
X86_FLAGS = (
    "sse4_1 avx avx2 fma f16c avx_vnni avx_vnni_int8 avx512f avx512bw avx512dq avx512vl "
    "avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_int8 amx_bf16"
)
ARM_FLAGS = "asimd neon vfpv4 fphp asimdhp asimddp i8mm bf16 sve sve2 svei8mm svebf16 sme sme2"
KERNEL_FLAGS = frozenset(X86_FLAGS.split() + ARM_FLAGS.split())
"""Processor flags, as Linux names them, that choose a kernel in an inference runtime."""
ARM_CORES = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd0d": "Cortex-A77",
    "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78",
    "0xd42": "Cortex-A78AE",
    "0xd44": "Cortex-X1",
    "0xd46": "Cortex-A510",
    "0xd47": "Cortex-A710",
    "0xd48": "Cortex-X2",
    "0xd49": "Neoverse-N2",
    "0xd4b": "Cortex-A78C",
    "0xd4d": "Cortex-A715",
    "0xd4e": "Cortex-X3",
    "0xd80": "Cortex-A520",
    "0xd81": "Cortex-A720",
    "0xd82": "Cortex-X4",
}
"""Part numbers of implementer 0x41 in /proc/cpuinfo (Arm, MIDR_EL1 of each core's manual)."""


PERF_SYSCALLS = {"x86_64": 298, "i686": 336, "aarch64": 241, "riscv64": 241, "armv7l": 364}
"""The number of perf_event_open(2) on Linux, by machine (the kernel's syscall tables)."""
HARDWARE_INSTRUCTIONS = (0, 1)
"""PERF_TYPE_HARDWARE and PERF_COUNT_HW_INSTRUCTIONS of linux/perf_event.h."""
COUNTED_RUNS = 12


class JobError(Exception):
    """The job asks for something that cannot be done here."""


def say(**message: Any) -> None:
    """Tells the host one thing."""
    print(json.dumps(message), flush=True)


def read_text(path: Path) -> Optional[str]:
    """A system file's text, or None where the machine does not tell."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:
        return None


def cpuinfo_values(cpuinfo: str, key: str) -> List[str]:
    """All distinct values of one key of /proc/cpuinfo, in order of appearance."""
    values = []  # type: List[str]
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key and value.strip() not in values:
            values.append(value.strip())
    return values


def processor_name(cpuinfo: str) -> str:
    """The processor as the machine names it; Arm cores by their part numbers."""
    names = cpuinfo_values(cpuinfo, "model name")
    if names:
        return " + ".join(names)
    parts = [part.lower() for part in cpuinfo_values(cpuinfo, "CPU part")]
    if parts and cpuinfo_values(cpuinfo, "CPU implementer") == ["0x41"]:
        return " + ".join(ARM_CORES.get(part, "Arm part " + part) for part in parts)
    if parts:
        makers = "/".join(cpuinfo_values(cpuinfo, "CPU implementer"))
        return "implementer {} part {}".format(makers, " + ".join(parts))
    return platform.processor() or "unknown"


def isa_flags(cpuinfo: str) -> List[str]:
    """The flags that choose a kernel and that all cores have, sorted."""
    lines = cpuinfo_values(cpuinfo, "flags") or cpuinfo_values(cpuinfo, "Features")
    shared = set(KERNEL_FLAGS)
    for line in lines:
        shared &= set(line.split())
    return sorted(shared) if lines else []


def governor(system: Path) -> Optional[str]:
    """CPU frequency governors in use, or None where the machine does not tell."""
    files = sorted(system.glob("devices/system/cpu/cpufreq/policy*/scaling_governor"))
    found = sorted({text for text in map(read_text, files) if text})
    return " + ".join(found) or None


def numbers(files: Mapping[str, Path], factor: float) -> Dict[str, float]:
    """Those of the files that hold a whole number, times a factor."""
    texts = {name: read_text(path) or "" for name, path in files.items()}
    return {name: int(text) * factor for name, text in texts.items() if text.lstrip("-").isdigit()}


def state(system: Path) -> Dict[str, Any]:
    """What changes while measuring: temperatures, clocks, load."""
    zones = {
        zone.name: zone / "temp" for zone in sorted(system.glob("class/thermal/thermal_zone*"))
    }
    policies = sorted(system.glob("devices/system/cpu/cpufreq/policy*"))
    return {
        "temperature_c": numbers(zones, 1e-3),
        "clock_mhz": numbers({item.name: item / "scaling_cur_freq" for item in policies}, 1e-3),
        "load_average": os.getloadavg()[0],
    }


def operating_system() -> str:
    """The operating system and its kernel."""
    release = read_text(Path("/etc/os-release")) or ""
    pairs = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    name = pairs.get("PRETTY_NAME", "").strip('"')
    kernel = "{} {}".format(platform.system(), platform.release())
    return "{}, {}".format(name, kernel) if name else kernel


def machine_facts() -> Dict[str, Any]:
    """What this machine is and what runs on it."""
    import numpy as np
    import onnxruntime as ort

    cpuinfo = read_text(Path("/proc/cpuinfo")) or ""
    return {
        "processor": processor_name(cpuinfo),
        "board": read_text(Path("/proc/device-tree/model")),
        "machine": platform.machine(),
        "isa_flags": isa_flags(cpuinfo),
        "processors": os.cpu_count(),
        "governor": governor(Path("/sys")),
        "operating_system": operating_system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": ort.__version__,
        "providers": ort.get_available_providers(),
        "state": state(Path("/sys")),
    }


def open_session(path: str, job: Mapping[str, Any], profile: Optional[str] = None) -> Any:
    """A session of the model on just the provider that was asked for.

    `profile` is the beginning of the file's name that its profiler writes; None for none.
    """
    import onnxruntime as ort

    provider = job["provider"]
    available = ort.get_available_providers()
    if provider not in available:
        text = "the provider {} is not available here; there are: {}"
        raise JobError(text.format(provider, ", ".join(available)))
    options = ort.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    opening = job.get("openings", {}).get(path, {})
    if opening.get("graph_optimization") == "none":
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    chosen = (provider, opening.get("provider_options", {}))
    session = ort.InferenceSession(path, options, providers=[chosen], enable_fallback=0)
    require_provider(provider, session.get_providers(), path)
    return session


def require_provider(wanted: str, used: List[str], path: str) -> None:
    """Refuses a session that fell back: its figures would be those of another processor."""
    if not used or used[0] != wanted:
        text = "the runtime did not take the provider {} for {}; it fell back to: {}"
        raise JobError(text.format(wanted, path, ", ".join(used)))


def read_inputs(job: Mapping[str, Any]) -> Tuple[Dict[str, Any], int]:
    """The samples by input name, and how many there are."""
    import numpy as np

    with np.load(job["inputs"], allow_pickle=False) as archive:
        inputs = {name: archive[name] for name in archive.files}
    lengths = {len(array) for array in inputs.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise JobError("the inputs must hold the same number of samples, at least one")
    return inputs, lengths.pop()


def warmed_up(
    sessions: Dict[str, Any], job: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Dict[str, Any]:
    """The sessions, after the runs of each that nobody looks at."""
    first = {name: array[:1].copy() for name, array in inputs.items()}
    for name, session in sessions.items():
        check_inputs(session, name, inputs)
        for _ in range(job["warmup_runs"]):
            session.run(None, first)
    return sessions


def single_feeds(inputs: Mapping[str, Any], count: int) -> List[Dict[str, Any]]:
    """Each sample alone in its batch."""
    return [{name: array[i : i + 1].copy() for name, array in inputs.items()} for i in range(count)]


def check_inputs(session: Any, name: str, inputs: Mapping[str, Any]) -> int:
    """The batch size to feed: 1 where the model fixes it, else up to `MAX_BATCH`."""
    wanted = {item.name: item for item in session.get_inputs()}
    if set(wanted) != set(inputs):
        text = "{} takes the inputs {}; given were {}"
        raise JobError(text.format(name, sorted(wanted), sorted(inputs)))
    fixed = {item.shape[0] for item in wanted.values() if item.shape} - {None}
    sizes = {size for size in fixed if isinstance(size, int)}
    if sizes - {1}:
        text = "{} takes batches of {} only; export it for one sample or for any number"
        raise JobError(text.format(name, sorted(sizes - {1})))
    return 1 if sizes else MAX_BATCH


def file_sha256(path: str) -> str:
    """Hash of a file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def time_runs(session: Any, feeds: List[Dict[str, Any]]) -> Tuple[List[int], List[int]]:
    """Wall and processor time of one inference for each feed, in nanoseconds.

    The processor's clock is read outside of the wall clock's window: its system call is slower.
    """
    run = session.run
    wall_ns, cpu_ns = [], []
    for feed in feeds:
        cpu = time.process_time_ns()
        wall = time.perf_counter_ns()
        run(None, feed)
        wall_ns.append(time.perf_counter_ns() - wall)
        cpu_ns.append(time.process_time_ns() - cpu)
    return wall_ns, cpu_ns


class Counter:
    """Counts events of the thread that made it, in user space only, by perf_event_open(2).

    Raises OSError with the reason where they are not counted.
    """

    RESET, ENABLE, DISABLE = 0x2403, 0x2400, 0x2401
    ATTRIBUTES_BYTES = 72
    READ_TIMES = 3
    USER_SPACE_WHEN_ENABLED = 1 | 1 << 5 | 1 << 6

    def __init__(self, event: Tuple[int, int]) -> None:
        number = PERF_SYSCALLS.get(platform.machine())
        if number is None or platform.system() != "Linux":
            raise OSError("no way to this system's counters is known")
        fields = (event[0], self.ATTRIBUTES_BYTES, event[1], 0, 0, self.READ_TIMES)
        packed = struct.pack("=IIQQQQQ", *fields, self.USER_SPACE_WHEN_ENABLED)
        attributes = ctypes.create_string_buffer(packed, self.ATTRIBUTES_BYTES)
        system = ctypes.CDLL(None, use_errno=True).syscall
        system.restype = ctypes.c_long
        this_thread, any_processor, no_group, no_flags = (ctypes.c_long(n) for n in (0, -1, -1, 0))
        self._file = system(
            ctypes.c_long(number), attributes, this_thread, any_processor, no_group, no_flags
        )
        if self._file < 0:
            raise OSError(self.why(ctypes.get_errno()))

    @staticmethod
    def why(number: int) -> str:
        """What an error of the kernel means."""
        if number in (errno.ENOENT, errno.EOPNOTSUPP):
            return "this machine shows no counter for them"
        if number in (errno.EACCES, errno.EPERM):
            level = read_text(Path("/proc/sys/kernel/perf_event_paranoid"))
            return "the kernel does not allow it (perf_event_paranoid is {})".format(level)
        return os.strerror(number)

    def count(self, work: Callable[[], Any]) -> int:
        """The events while something is done; OSError where the kernel did not count all along."""
        import fcntl

        fcntl.ioctl(self._file, self.RESET, 0)
        fcntl.ioctl(self._file, self.ENABLE, 0)
        work()
        fcntl.ioctl(self._file, self.DISABLE, 0)
        events, enabled, running = struct.unpack("=QQQ", os.read(self._file, 24))
        if running < enabled:
            raise OSError("the processor's counter was shared with another program")
        return int(events)

    def close(self) -> None:
        """Gives the counter back."""
        os.close(self._file)


def count_instructions(
    sessions: Mapping[str, Any], feeds: List[Dict[str, Any]], threads: int
) -> Dict[str, Any]:
    """Instructions of some runs of each model, or why there are none."""
    if threads > 1:
        return {
            "runs": {},
            "reason": "of several threads those that wait run instructions, too",
        }
    try:
        counter = Counter(HARDWARE_INSTRUCTIONS)
    except OSError as error:
        return {"runs": {}, "reason": str(error)}
    try:
        own = min(counter.count(int) for _ in range(COUNTED_RUNS))
        runs = {}
        for name, session in sessions.items():
            session.run(None, feeds[0])
            chosen = [feeds[i % len(feeds)] for i in range(COUNTED_RUNS)]
            runs[name] = [
                counter.count(functools.partial(session.run, None, feed)) - own for feed in chosen
            ]
    except OSError as error:
        return {"runs": {}, "reason": str(error)}
    finally:
        counter.close()
    return {"runs": runs, "reason": None}


def measure(job: Mapping[str, Any]) -> Dict[str, Any]:
    """Times all models in interleaved rounds, each round in a new order drawn from the seed.

    In one round every model sees the same samples, after one run that is not timed (it brings
    the caches back).
    """
    inputs, count = read_inputs(job)
    feeds = single_feeds(inputs, count)
    models, rounds, runs = job["models"], job["rounds"], job["runs_per_round"]
    sessions = warmed_up({name: open_session(models[name], job) for name in models}, job, inputs)
    before = state(Path("/sys"))
    generator = random.Random(job["seed"])
    wall_ns = {name: [] for name in models}  # type: Dict[str, List[List[int]]]
    cpu_ns = {name: [] for name in models}  # type: Dict[str, List[List[int]]]
    orders = []
    gc.collect()
    gc.disable()
    for index in range(rounds):
        order = generator.sample(sorted(models), len(models))
        chosen = [feeds[(index * runs + i) % count] for i in range(runs)]
        for name in order:
            sessions[name].run(None, chosen[0])
            wall, cpu = time_runs(sessions[name], chosen)
            wall_ns[name].append(wall)
            cpu_ns[name].append(cpu)
        orders.append(order)
        say(progress=index + 1, total=rounds)
    gc.enable()
    return {
        "wall_ns": wall_ns,
        "cpu_ns": cpu_ns,
        "orders": orders,
        "sha256": {name: file_sha256(path) for name, path in models.items()},
        "before": before,
        "after": state(Path("/sys")),
        "instructions": count_instructions(sessions, feeds, job["threads"]),
        "facts": machine_facts(),
    }


def profile(job: Mapping[str, Any]) -> Dict[str, Any]:
    """Times every operator of all models, which take turns in rounds.

    In one round every model sees the same sample twice; the first run brings the caches back and
    is not kept.
    """
    inputs, count = read_inputs(job)
    feeds = single_feeds(inputs, count)
    models, rounds, warmup = job["models"], job["rounds"], job["warmup_runs"]
    opened = {
        name: open_session(models[name], job, "profile-{}".format(place))
        for place, name in enumerate(sorted(models))
    }
    sessions = warmed_up(opened, job, inputs)
    generator = random.Random(job["seed"])
    for index in range(rounds):
        for name in generator.sample(sorted(models), len(models)):
            for _ in range(2):
                sessions[name].run(None, feeds[index % count])
        say(progress=index + 1, total=rounds)
    files = {name: Path(session.end_profiling()) for name, session in sessions.items()}
    kept = range(warmup + 1, warmup + 2 * rounds, 2)
    return {
        "models": {name: operator_times(read_events(file), kept) for name, file in files.items()},
        "sha256": {name: file_sha256(path) for name, path in models.items()},
        "facts": machine_facts(),
    }


def read_events(file: Path) -> List[List[Dict[str, Any]]]:
    """What the runtime's profiler wrote of each whole run, in the order it wrote it."""
    runs, events = [], []  # type: List[List[Dict[str, Any]]], List[Dict[str, Any]]
    for event in json.loads(file.read_text(encoding="utf-8")):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            events.append(event)
        elif event.get("name") == "model_run":
            runs.append(events)
            events = []
    return runs


def outermost(events: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Those of one run that lie in no other: a loop's time holds that of its body already.

    An operator is written down when it ends, so whatever ran inside of it comes before it.
    """
    kept, start = [], float("inf")
    for event in reversed(events):
        if event["ts"] + event["dur"] <= start:
            kept.append(event)
            start = event["ts"]
    return kept[::-1]


def operator_times(runs: List[List[Dict[str, Any]]], kept: Iterable[int]) -> Dict[str, Any]:
    """The operators of one model and how long each took in each run that is kept.

    Runs that the profiler had no room for are not there; operators that did not take part in every
    run are left out.
    """
    tables = [
        {(event["name"], event["args"].get("node_index")): event for event in outermost(runs[i])}
        for i in kept
        if i < len(runs)
    ]
    if not tables:
        raise JobError("the runtime's profiler had no room for a single run")
    everywhere = [key for key in tables[0] if all(key in table for table in tables)]
    return {
        "operators": [
            {
                "name": key[0][: -len("_kernel_time")],
                "operator": tables[0][key]["args"]["op_name"],
                "inputs": tensors(tables[0][key]["args"].get("input_type_shape", [])),
                "outputs": tensors(tables[0][key]["args"].get("output_type_shape", [])),
                "durations_us": [table[key]["dur"] for table in tables],
            }
            for key in everywhere
        ]
    }


def tensors(listed: List[Dict[str, List[int]]]) -> List[Dict[str, Any]]:
    """Type and shape of each tensor of an operator; weights that were packed are not among them."""
    return [{"type": kind, "shape": shape} for one in listed for kind, shape in one.items()]


def status_bytes(status: str, key: str) -> int:
    """A figure of /proc/self/status, which gives kilobytes."""
    for line in status.splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise JobError("this system does not tell how much memory a process holds ({})".format(key))


def memory(job: Mapping[str, Any]) -> Dict[str, Any]:
    """The most that this process holds beyond what it held before the model was loaded.

    The runtime itself is there before: a model of one operator has run. What the model then holds,
    while it is loaded or while it runs, is its own; later runs plan their memory otherwise than the
    first, so there are several. One job measures one process: memory once freed is taken again.
    """
    import numpy as np

    inputs, count = read_inputs(job)
    Path("empty.onnx").write_bytes(EMPTY_MODEL)
    empty = open_session("empty.onnx", job)
    empty.run(None, {"x": np.ones(1, np.float32)})
    feeds = single_feeds(inputs, count)
    gc.collect()
    process = Path("/proc/self")
    try:
        (process / "clear_refs").write_text("5")  # the peak begins anew at what is held now
    except OSError as error:
        text = "this system does not let a process forget its peak: {}"
        raise JobError(text.format(error)) from error
    before = status_bytes(read_text(process / "status") or "", "VmRSS")
    session = open_session(job["model"], job)
    check_inputs(session, job["model"], inputs)
    for i in range(job["runs"]):
        session.run(None, feeds[i % count])
    peak = status_bytes(read_text(process / "status") or "", "VmHWM")
    return {
        "grown_bytes": peak - before,
        "sha256": file_sha256(job["model"]),
        "facts": machine_facts(),
    }


def predict(job: Mapping[str, Any]) -> Dict[str, Any]:
    """Writes the outputs [samples, classes] of one model as float32."""
    import numpy as np

    inputs, count = read_inputs(job)
    session = open_session(job["model"], job)
    size = check_inputs(session, job["model"], inputs)
    outputs = [item.name for item in session.get_outputs()]
    wanted = ["logits" if "logits" in outputs else outputs[0]]
    parts, told = [], time.perf_counter()
    for start in range(0, count, size):
        feed = {name: array[start : start + size] for name, array in inputs.items()}
        output = np.asarray(session.run(wanted, feed)[0])
        if output.ndim != 2:
            text = "the output {} has the shape {}; wanted is [samples, classes]"
            raise JobError(text.format(wanted[0], list(output.shape)))
        parts.append(output.astype(np.float32))
        done = min(start + size, count)
        if done == count or time.perf_counter() - told > PROGRESS_INTERVAL_S:
            told = time.perf_counter()
            say(progress=done, total=count)
    np.save(job["outputs"], np.concatenate(parts), allow_pickle=False)
    return {"sha256": file_sha256(job["model"]), "facts": machine_facts()}


def facts(job: Mapping[str, Any]) -> Dict[str, Any]:
    """What this machine is."""
    del job
    return machine_facts()


ACTIONS = {
    "facts": facts,
    "measure": measure,
    "memory": memory,
    "predict": predict,
    "profile": profile,
}


def hold_leash() -> None:
    """Ends this process at once when the host that holds the other end of stdin is gone."""
    while os.read(0, 1024):
        pass
    os._exit(3)


def main(arguments: List[str]) -> int:
    """Runs one job; the exit code is 0 when its result was written."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    job = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    if job.get("leash"):
        threading.Thread(target=hold_leash, daemon=True).start()
    try:
        result = ACTIONS[job["action"]](job)
    except JobError as error:
        say(error=str(error))
        print(error, file=sys.stderr)
        return 2
    Path(job["result"]).write_text(json.dumps(result), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
