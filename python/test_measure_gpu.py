"""What of the measuring kit needs no GPU: python3 -m unittest discover python."""

import contextlib
import csv
import io
import tempfile
import unittest
from pathlib import Path

import measure_gpu as kit


class Plan(unittest.TestCase):
    def test_rows_fit_into_memory(self):
        rows = kit.plan(["gemm"], 1e9)
        self.assertGreater(len(rows), 100)
        for _, _, text in rows:
            s = kit.sizes_of(text)
            self.assertLessEqual(2 * (s["m"] * s["k"] + s["n"] * s["k"] + s["m"] * s["n"]), 1e9)
        self.assertLess(len(kit.plan(["gemm"], 1e8)), len(rows))

    def test_every_kind_has_rows(self):
        for op in ["gemm", "attention", "norms", "copy", "collectives"]:
            self.assertTrue(kit.plan([op], 8e9), op)

    def test_one_row_in_twenty_comes_twice_and_the_order_is_that_of_the_seed(self):
        rows = kit.plan(["gemm", "attention"], 8e9)
        order = kit.schedule(rows, 7)
        twice = len(order) - len(rows)
        self.assertTrue(0.02 * len(rows) < twice < 0.09 * len(rows), twice)
        self.assertEqual(order, kit.schedule(rows, 7))
        self.assertNotEqual(order, kit.schedule(rows, 8))
        self.assertEqual({row for row, _ in order}, set(rows))


class Table(unittest.TestCase):
    def write(self, folder: str, rows: list) -> Path:
        path = Path(folder, "m.csv")
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, kit.COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return path

    def test_a_run_goes_on_where_it_stopped(self):
        with tempfile.TemporaryDirectory() as folder:
            row = {"regime": "burst", "op": "gemm", "dtype": "bf16", "shape": "m=1;n=2;k=3", "us": "4", "repeat": "0"}
            path = self.write(folder, [row])
            self.assertEqual(kit.known(path), {("burst", "gemm", "bf16", "m=1;n=2;k=3", "0")})
            self.assertEqual(kit.known(Path(folder, "none.csv")), set())

    def test_repeats_by_hand(self):
        with tempfile.TemporaryDirectory() as folder:
            row = {"regime": "burst", "op": "gemm", "dtype": "bf16", "shape": "m=1;n=2;k=3"}
            rows = [{**row, "us": "4", "repeat": "0"}, {**row, "us": "4.2", "repeat": "1"}]
            self.assertIn("5.00%", kit.spread(self.write(folder, rows)))

    def test_columns_are_those_that_calibrate_reads(self):
        for column in ["chip", "stack", "regime", "op", "dtype", "shape", "us", "power_w"]:
            self.assertIn(column, kit.COLUMNS)


class Command(unittest.TestCase):
    def test_list_needs_no_gpu(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(kit.main(["--list", "--ops", "gemm", "--rows", "20"]), 0)
        lines = out.getvalue().splitlines()
        self.assertGreaterEqual(len(lines), 21)
        self.assertTrue(lines[1].startswith("gemm,bf16,m="))

    def test_bad_words_are_refused(self):
        for words in [["--ops", "conv", "--list"], ["--ops", "gemm"]]:
            with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as stop:
                kit.main(words)
            self.assertEqual(stop.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
