#!/usr/bin/env python3
"""Measures the kernels of your GPU and writes the table that `wattline calibrate` and `wattline validate` read.

    python measure_gpu.py --chip h100-sxm -o measured.csv            products, attention, norms, copies
    python measure_gpu.py --chip h100-sxm --regime sustained -o s.csv   with settled power
    torchrun --nproc-per-node 8 python/measure_gpu.py --ops collectives --chip h100-sxm -o c.csv
    python measure_gpu.py --list                                      what would be measured; needs no GPU

Needs PyTorch with CUDA, and pynvml for power, clocks and temperature. A run that was stopped goes on where it stopped:
rows that are in the file already are not measured again.

How a row is measured
  burst      replayed from a CUDA graph, best of several short bursts with pauses: no power limit acts
  eager      launched one by one by the host
  sustained  replayed for at least 3 s; the first 1.5 s, in which power and clocks settle, do not count
Operands are random numbers: zeros draw less power. Products rotate over copies of their weight, so that a weight comes
from memory as it does in a model. The order of rows is shuffled, and one row in twenty is measured twice: the spread of
the repeats is the floor below which no model can be judged.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import statistics
import sys
import time
from pathlib import Path

COLUMNS = ["chip", "stack", "regime", "op", "dtype", "shape", "us", "power_w", "clock_mhz", "temperature_c", "repeat"]

SETTLE_S = 1.5
SUSTAINED_S = 3.0
REPEATED = 0.05

GEMM_M = [1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096, 8192]
GEMM_NK = [
    (4096, 4096), (6144, 4096), (14336, 4096), (28672, 4096), (4096, 14336), (8192, 8192), (1024, 8192),
    (8192, 1024), (2048, 2048), (512, 2048), (7168, 2048), (2048, 7168), (5120, 5120), (1280, 5120), (128256, 4096),
]
HEADS = [(32, 32, 128), (32, 8, 128), (64, 8, 128), (16, 2, 128), (8, 1, 128), (32, 8, 64), (16, 8, 256)]
BATCHES = [1, 2, 4, 8, 16, 32, 64, 128]
PROMPTS = [64, 128, 256, 512, 1024, 2048, 4096, 8192]
CONTEXTS = [128, 512, 1024, 4096, 16384, 65536]
ROWS = [1, 16, 128, 512, 2048, 8192, 32768]
WIDTHS = [1024, 2048, 4096, 8192]


def shape(**sizes: int) -> str:
    return ";".join(f"{key}={size}" for key, size in sizes.items())


def plan(ops: list[str], most_bytes: float) -> list[tuple[str, str, str]]:
    """Rows `(op, dtype, shape)` whose tensors take at most so many bytes."""
    rows = []
    if "gemm" in ops:
        for n, k in GEMM_NK:
            for m in GEMM_M:
                if 2 * (m * k + n * k + m * n) <= most_bytes:
                    rows.append(("gemm", "bf16", shape(m=m, n=n, k=k)))
    if "attention" in ops:
        for q, kv, dim in HEADS:
            heads = dict(q_heads=q, kv_heads=kv, head_dim=dim, window=0)
            for batch in BATCHES:
                for seq in PROMPTS:
                    tokens = batch * seq
                    if tokens <= 65536 and 2 * tokens * dim * (2 * q + 2 * kv) <= most_bytes:
                        rows.append(("attention_prefill", "bf16", shape(batch=batch, seq=seq, **heads)))
                for length in CONTEXTS:
                    if 4 * batch * length * kv * dim <= most_bytes / 2:
                        rows.append(("attention_decode", "bf16", shape(batch=batch, kv_len=length, **heads)))
    if "norms" in ops:
        for b in ROWS:
            for h in WIDTHS:
                if 2 * 2 * b * h <= most_bytes:
                    for op in ("softmax", "layernorm", "gelu", "add"):
                        rows.append((op, "bf16", shape(b=b, h=h)))
    if "copy" in ops:
        # A copy is an addition of one operand: it shows the bandwidth that streams reach.
        for exponent in range(20, 32):
            if 4 * 2**exponent <= most_bytes:
                rows.append(("add", "bf16", shape(b=2 ** (exponent - 12), h=4096)))
    if "collectives" in ops:
        chips = int(os.environ.get("WORLD_SIZE", "8"))
        for exponent in range(10, 31, 2):
            for op in ("all_reduce", "all_gather", "reduce_scatter", "alltoall"):
                if 2 * 2**exponent <= most_bytes:
                    rows.append((op, "bf16", shape(num_gpus=chips, bytes=2**exponent)))
    return rows


def schedule(rows: list, seed: int) -> list[tuple[tuple[str, str, str], int]]:
    """Rows in random order, each with the number of its repeat; one in twenty comes twice."""
    shuffler = random.Random(seed)
    once = [(row, 0) for row in rows]
    again = [(row, 1) for row in rows if shuffler.random() < REPEATED]
    order = once + again
    shuffler.shuffle(order)
    return order


def sizes_of(text: str) -> dict[str, int]:
    return {key: int(value) for key, value in (pair.split("=") for pair in text.split(";"))}


class Meter:
    """Power, clock and temperature of a GPU; empty without NVML."""

    def __init__(self, index: int):
        try:
            import pynvml

            pynvml.nvmlInit()
            self.nvml, self.handle = pynvml, pynvml.nvmlDeviceGetHandleByIndex(index)
        except Exception as error:  # any failure of the driver's library means the same: no figures
            print(f"no power, clocks and temperature: {error}", file=sys.stderr)
            self.nvml = None

    def energy_j(self) -> float | None:
        if self.nvml is None:
            return None
        try:
            return self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1e3
        except self.nvml.NVMLError:
            return None

    def power_w(self) -> float | None:
        if self.nvml is None:
            return None
        try:
            return self.nvml.nvmlDeviceGetPowerUsage(self.handle) / 1e3
        except self.nvml.NVMLError:
            return None

    def state(self) -> tuple[str, str]:
        if self.nvml is None:
            return "", ""
        clock = self.nvml.nvmlDeviceGetClockInfo(self.handle, self.nvml.NVML_CLOCK_SM)
        heat = self.nvml.nvmlDeviceGetTemperature(self.handle, self.nvml.NVML_TEMPERATURE_GPU)
        return str(clock), str(heat)


class Bench:
    """Runs calls on one GPU."""

    def __init__(self, torch, index: int):
        self.torch, self.device, self.meter = torch, torch.device("cuda", index), Meter(index)

    def random(self, *sizes: int):
        return self.torch.randn(*sizes, device=self.device, dtype=self.torch.bfloat16)

    def call(self, op: str, s: dict[str, int]):
        """One execution of an operator, and how many executions it holds."""
        torch, functional = self.torch, self.torch.nn.functional
        if op == "gemm":
            m, n, k = s["m"], s["n"], s["k"]
            copies = max(1, min(6, int(2e9 // (2 * n * k))))
            a, weights = self.random(m, k), [self.random(n, k) for _ in range(copies)]
            out = torch.empty(m, n, device=self.device, dtype=torch.bfloat16)
            return lambda: [torch.mm(a, w.t(), out=out) for w in weights], copies
        if op in ("attention_prefill", "attention_decode"):
            batch, q, kv, dim = s["batch"], s["q_heads"], s["kv_heads"], s["head_dim"]
            new, keys = (s["seq"], s["seq"]) if op == "attention_prefill" else (1, s["kv_len"])
            query = self.random(batch, q, new, dim)
            key, value = self.random(batch, kv, keys, dim), self.random(batch, kv, keys, dim)
            causal = op == "attention_prefill"
            return lambda: functional.scaled_dot_product_attention(
                query, key, value, is_causal=causal, enable_gqa=q != kv
            ), 1
        if op in ("softmax", "layernorm", "gelu", "add"):
            x, y = self.random(s["b"], s["h"]), self.random(s["b"], s["h"])
            return {
                "softmax": lambda: torch.softmax(x, -1),
                "layernorm": lambda: functional.layer_norm(x, x.shape[-1:]),
                "gelu": lambda: functional.gelu(x),
                "add": lambda: torch.add(x, y),
            }[op], 1
        dist, chips = self.torch.distributed, s["num_gpus"]
        count = max(chips, s["bytes"] // 2 // chips * chips)
        whole, part = self.random(count), self.random(count // chips)
        return {
            "all_reduce": lambda: dist.all_reduce(whole),
            "all_gather": lambda: dist.all_gather_into_tensor(whole, part),
            "reduce_scatter": lambda: dist.reduce_scatter_tensor(part, whole),
            "alltoall": lambda: dist.all_to_all_single(torch.empty_like(whole), whole),
        }[op], 1

    def elapsed_s(self, run, times: int) -> float:
        torch = self.torch
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(times):
            run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3

    def graph(self, call, times: int):
        torch = self.torch
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(times):
                call()
        return graph

    def measure(self, op: str, text: str, regime: str) -> dict[str, str]:
        call, held = self.call(op, sizes_of(text))
        for _ in range(3):
            call()
        self.torch.cuda.synchronize()
        once = max(self.elapsed_s(call, 3) / 3, 1e-6)
        if regime == "eager":
            times = max(3, min(2000, int(0.02 / once)))
            best = min(self.elapsed_s(call, times) / times for _ in range(5))
            return self.row(best / held, None)
        inner = max(1, min(50, int(0.002 / once)))
        graph = self.graph(call, inner)
        if regime == "burst":
            times = max(1, int(0.005 / (once * inner)))
            found = []
            for _ in range(7):
                time.sleep(0.02)  # cools the power average down
                found.append(self.elapsed_s(graph.replay, times) / times / inner)
            return self.row(statistics.median(found) / held, None)
        until = time.monotonic() + SETTLE_S
        while time.monotonic() < until:
            self.elapsed_s(graph.replay, max(1, int(0.1 / (once * inner))))
        spent, executions, powers = 0.0, 0, []
        began, energy = time.monotonic(), self.meter.energy_j()
        while time.monotonic() - began < SUSTAINED_S - SETTLE_S:
            times = max(1, int(0.1 / (once * inner)))
            spent += self.elapsed_s(graph.replay, times)
            executions += times * inner
            powers.append(self.meter.power_w())
        wall, after = time.monotonic() - began, self.meter.energy_j()
        known = [p for p in powers if p is not None]
        power = (after - energy) / wall if None not in (after, energy) else statistics.mean(known) if known else None
        return self.row(spent / executions / held, power)

    def row(self, seconds: float, power: float | None) -> dict[str, str]:
        clock, heat = self.meter.state()
        return {
            "us": f"{seconds * 1e6:.4f}",
            "power_w": "" if power is None else f"{power:.1f}",
            "clock_mhz": clock,
            "temperature_c": heat,
        }


def known(path: Path) -> set[tuple[str, ...]]:
    """Rows of a table that was begun before."""
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        return {(r["regime"], r["op"], r["dtype"], r["shape"], r["repeat"]) for r in csv.DictReader(file)}


def spread(path: Path) -> str:
    """What repeated rows differ by: the median of |second/first - 1|."""
    first, second = {}, {}
    with path.open(newline="") as file:
        for r in csv.DictReader(file):
            into = first if r["repeat"] == "0" else second
            into[r["regime"], r["op"], r["dtype"], r["shape"]] = float(r["us"])
    found = [abs(second[key] / first[key] - 1) for key in second if key in first]
    return f"repeats differ by {statistics.median(found):.2%} (median of {len(found)})" if found else "no repeats yet"


def arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chip", help="name of the chip, as `wattline list chips` has it")
    parser.add_argument("-o", "--out", type=Path, default=Path("measured.csv"))
    parser.add_argument("--ops", default="gemm,attention,norms,copy", help="also: collectives (with torchrun)")
    parser.add_argument("--regime", choices=["burst", "sustained", "eager"], default="burst")
    parser.add_argument("--rows", type=int, help="only so many rows, evenly from all")
    parser.add_argument("--memory", type=float, default=8.0, help="most GB of one row's tensors [default: 8]")
    parser.add_argument("--seed", type=int, default=1, help="of the order and of which rows are repeated")
    parser.add_argument("--list", action="store_true", help="print what would be measured; needs no GPU")
    parsed = parser.parse_args(words)
    wanted = set(parsed.ops.split(","))
    unknown = wanted - {"gemm", "attention", "norms", "copy", "collectives"}
    if unknown:
        parser.error(f"unknown --ops: {', '.join(sorted(unknown))}")
    if not parsed.list and not parsed.chip:
        parser.error("--chip is needed: the name under which the rows are kept")
    return parsed


def main(words: list[str] | None = None) -> int:
    args = arguments(words)
    rows = plan(args.ops.split(","), args.memory * 1e9)
    if args.rows:
        rows = rows[:: max(1, len(rows) // args.rows)][: args.rows]
    order = schedule(rows, args.seed)
    if args.list:
        seconds = SUSTAINED_S + 0.3 if args.regime == "sustained" else 0.3
        print(f"{len(order)} rows, about {len(order) * seconds / 60:.0f} min")
        for (op, dtype, text), repeat in order:
            print(f"{op},{dtype},{text},{repeat}")
        return 0
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: pip install torch pynvml", file=sys.stderr)
        return 2
    if not torch.cuda.is_available():
        print("PyTorch sees no CUDA device; --list works without one", file=sys.stderr)
        return 2
    index = int(os.environ.get("LOCAL_RANK", "0"))
    torch.cuda.set_device(index)
    if "collectives" in args.ops:
        torch.distributed.init_process_group("nccl")
    bench, done = Bench(torch, index), known(args.out)
    is_new, leads = not args.out.exists(), index == 0
    with (args.out if leads else Path(os.devnull)).open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if is_new and leads:
            writer.writeheader()
        for n, ((op, dtype, text), repeat) in enumerate(order, 1):
            if (args.regime, op, dtype, text, str(repeat)) in done:
                continue
            try:
                found = bench.measure(op, text, args.regime)
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
                print(f"{op} {text}: out of memory, left out", file=sys.stderr)
                continue
            writer.writerow({
                "chip": args.chip, "stack": "torch", "regime": args.regime, "op": op, "dtype": dtype, "shape": text,
                "repeat": repeat, **found,
            })
            file.flush()
            if leads:
                print(f"{n}/{len(order)} {op} {text} {found['us']} us {found['power_w']} W", file=sys.stderr)
    if leads:
        print(f"{spread(args.out)}\nnext: wattline calibrate {args.out} --on {args.chip}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
