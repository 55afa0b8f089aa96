//! Inputs that once broke a reader: each is read, or refused with a message, quickly and in little memory.
//!
//! Found by the fuzz targets in `fuzz/`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use assert_cmd::Command;

fn files(folder: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(folder);
    let entries = std::fs::read_dir(path).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.map(|e| e.expect("is readable").path()).collect();
    found.sort();
    found
}

#[test]
fn what_broke_a_reader_is_read_or_refused() {
    for folder in ["onnx", "config", "workload"] {
        for file in files(folder) {
            let started = Instant::now();
            let mut command = Command::new(env!("CARGO_BIN_EXE_wattline"));
            let file_name = file.to_string_lossy();
            let options: &[&str] = match folder {
                "onnx" => &["--unknown", "bytes-only"],
                _ => &[],
            };
            let output = command
                .args(["show", &file_name, "--json"])
                .args(options)
                .timeout(Duration::from_secs(20))
                .output()
                .expect("runs");
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 2)), "{file_name}: {code:?}");
            assert!(started.elapsed() < Duration::from_secs(10), "{file_name}");
        }
    }
}
