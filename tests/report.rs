//! The page of a sweep: stands alone, says the same for the same input, and works in a browser.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;

const SWEEP: &str = r#"
schema = 1
name = "page"
on = "edge-npu"
minimize = ["latency", "area", "energy"]
constraints = ["area < 2 mm2"]
workload = [{ model = "mobilenet-v2", dtype = "int8", weight = 0.5 }, { model = "ds-cnn", dtype = "int8", weight = 0.5 }]
axis = [
  { set = "chip.glb", values = ["256 KiB", "1 MiB", "4 MiB"] },
  { set = ["chip.pe_rows", "chip.pe_cols"], values = [8, 16, 32, 64] },
  { set = "chip.dram_bandwidth", values = ["17 GB/s", "34 GB/s"] },
]
"#;

/// Uses the page as a reader would, and puts what it finds into the title.
const READER: &str = include_str!("browser/reader.js");

/// Before everything else: errors of the page are faults.
const WATCH: &str = r#"<script>window.faults = []; addEventListener("error", (e) => faults.push(e.message)); console.error = (...all) => faults.push(all.join(" "));</script>"#;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("wattline-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("created");
    folder
}

fn wattline(words: &[&str]) -> std::process::Output {
    let mut command = Command::cargo_bin("wattline").expect("is built");
    command.args(words).env("NO_COLOR", "1");
    command.output().expect("starts")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A sweep in a folder; its page.
fn swept(folder: &Path, threads: &str) -> String {
    let file = folder.join("page.toml");
    fs::write(&file, SWEEP).expect("written");
    let out = folder.join(format!("out-{threads}"));
    let done = wattline(&["sweep", &text(&file), "-o", &text(&out), "-j", threads]);
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    fs::read_to_string(out.join("report.html")).expect("is written")
}

/// Without what the manifest says of this run.
fn timeless(page: &str) -> String {
    let lines = page
        .lines()
        .filter(|l| !l.contains("class=\"meta\"") && !l.contains("id=\"data\""));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_page_stands_alone_and_is_the_same_again() {
    let folder = folder("page");
    let (one, two) = (swept(&folder, "1"), swept(&folder, "2"));
    assert_eq!(timeless(&one), timeless(&two));
    let foreign = one.replace("http://www.w3.org/2000/svg", "");
    assert!(
        !foreign.contains("http://") && !foreign.contains("https://"),
        "needs the network"
    );
    assert!(!one.contains(" src="), "needs other files");
    assert!(one.len() < 1_000_000, "{} bytes", one.len());
    // What is stored says it all: drawn again, it is the same page.
    let out = text(&folder.join("out-1"));
    let again = folder.join("again.html");
    let done = wattline(&["report", &out, "-o", &text(&again)]);
    assert!(done.status.success());
    assert_eq!(fs::read_to_string(again).expect("is written"), one);
    let table = wattline(&["report", &out, "--format", "csv"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(
        table.starts_with("point,chip.glb,chip.pe_rows=chip.pe_cols,"),
        "{table}"
    );
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_run_has_a_page_too() {
    let folder = folder("run-page");
    let out = text(&folder.join("run"));
    let words = ["run", "gpt2", "--on", "h100-sxm", "-o", &out];
    assert!(wattline(&words).status.success());
    assert!(wattline(&["report", &out]).status.success());
    let page = fs::read_to_string(folder.join("run/report.html")).expect("is written");
    assert!(page.contains("gpt2 on h100-sxm") && page.contains("\"grade\""));
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn what_is_not_there_or_damaged_is_named() {
    let folder = folder("no-page");
    let none = wattline(&["report", &text(&folder)]);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(
        none.status.code() == Some(2) && said.contains("holds no results"),
        "{said}"
    );
    fs::write(folder.join("sweep.json"), "{ \"name\": 3").expect("written");
    let damaged = wattline(&["report", &text(&folder)]);
    let said = String::from_utf8_lossy(&damaged.stderr).into_owned();
    assert!(
        damaged.status.code() == Some(2) && said.contains("sweep.json"),
        "{said}"
    );
    fs::remove_dir_all(folder).expect("removed");
}

fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.into_iter().find(|name| {
        let asked = Command::new(name).arg("--version").output();
        asked.is_ok_and(|out| out.status.success())
    })
}

#[test]
fn a_reader_can_use_it_in_a_browser() {
    let Some(browser) = browser() else {
        let _ = writeln!(
            std::io::stderr(),
            "no Chromium here: the page was not opened in a browser"
        );
        return;
    };
    let folder = folder("browser");
    let page = swept(&folder, "2");
    let page = page.replacen("<head>", &format!("<head>{WATCH}"), 1);
    let page = page.replacen("</body>", &format!("<script>{READER}</script></body>"), 1);
    for width in [1280, 1600] {
        let file = folder.join("read.html");
        fs::write(&file, &page).expect("written");
        let profile = folder.join(format!("profile-{width}"));
        let out = Command::new(browser)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("--window-size={width},1000"))
            .args(["--virtual-time-budget=5000", "--dump-dom"])
            .arg(format!("file://{}", file.display()))
            .output()
            .expect("starts");
        let dom = String::from_utf8_lossy(&out.stdout).into_owned();
        let title = dom
            .split("<title>")
            .nth(1)
            .and_then(|t| t.split("</title>").next());
        assert_eq!(
            title.unwrap_or("no page").trim(),
            "found:",
            "at {width} pixels"
        );
    }
    fs::remove_dir_all(folder).expect("removed");
}
