//! Embeds the profiles, workloads and graphs of the catalog: a list of names and contents.

use std::{env, fmt::Write as _, fs, path::Path};

/// Folders of the catalog: constant, folder, file extension, macro that embeds, type of a content.
const FOLDERS: &[(&str, &str, &str, &str, &str)] = &[
    ("CHIPS", "hw-profiles", "toml", "include_str", "&str"),
    (
        "KERNELS",
        "hw-profiles/kernels",
        "toml",
        "include_str",
        "&str",
    ),
    ("MODELS", "workloads", "toml", "include_str", "&str"),
    ("GRAPHS", "workloads/onnx", "onnx", "include_bytes", "&[u8]"),
];

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let mut code = String::new();
    for (constant, folder, extension, embed, content) in FOLDERS {
        println!("cargo::rerun-if-changed={folder}");
        let _ = writeln!(code, "static {constant}: &[(&str, {content})] = &[");
        for stem in stems(&Path::new(&root).join(folder), extension) {
            let path = format!("/{folder}/{stem}.{extension}");
            let _ = writeln!(
                code,
                "    ({stem:?}, {embed}!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),"
            );
        }
        code.push_str("];\n");
    }
    // Stored answers hold as long as the sources are the same.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for folder in ["src", "hw-profiles", "workloads"] {
        println!("cargo::rerun-if-changed={folder}");
        fold(&Path::new(&root).join(folder), &mut hash);
    }
    println!("cargo::rustc-env=WATTLINE_SOURCE={hash:016x}");
    println!("cargo::rerun-if-changed=build.rs");
    fs::write(Path::new(&out).join("catalog.rs"), code).expect("OUT_DIR is writable");
}

/// Names of the files of a folder without their extension, sorted; none if the folder is missing.
fn stems(folder: &Path, extension: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<String> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == extension))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    found.sort();
    found
}

/// Takes the files of a folder and those below it into a hash (FNV-1a), in the order of their names.
fn fold(folder: &Path, hash: &mut u64) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            fold(&path, hash);
        } else if let Ok(content) = fs::read(&path) {
            for byte in content {
                *hash = (*hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
}
