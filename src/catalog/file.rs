//! Reading one file, with a message for each way in which that fails.

use std::fs;
use std::path::{Path, PathBuf};

use crate::diag::{Code, Problem, Problems};

use super::{Base, Content, Entry, Kind};

/// Largest text that is read, in bytes: a guard against reading weights as a profile.
const TEXT_LIMIT: u64 = 64 << 20;

/// Largest description in TOML: its tree takes some hundred times as much.
const TOML_LIMIT: u64 = 2 << 20;

/// Extensions of files that hold weights or compiled programs, not a graph that can be read.
const FOREIGN: [&str; 10] = [
    "safetensors",
    "gguf",
    "pt",
    "pth",
    "bin",
    "h5",
    "tflite",
    "mlir",
    "msgpack",
    "data",
];

/// A file of a known kind.
pub(super) fn read(path: &str, kind: Kind) -> Result<Entry, Problems> {
    let content = match kind {
        Kind::Onnx => Content::Bytes(bytes(path, u64::MAX)?),
        Kind::Toml => Content::Text(utf8(path, bytes(path, TOML_LIMIT)?)?),
        Kind::Json | Kind::Csv => Content::Text(utf8(path, bytes(path, TEXT_LIMIT)?)?),
    };
    Ok(entry(path, kind, content))
}

/// A model file; the kind follows from the extension, else from the content's first bytes.
pub(super) fn read_model(path: &str) -> Result<Entry, Problems> {
    let extension = Path::new(path).extension().and_then(|e| e.to_str());
    let extension = extension.unwrap_or("").to_lowercase();
    match extension.as_str() {
        "onnx" => read(path, Kind::Onnx),
        "json" => read(path, Kind::Json),
        "toml" => read(path, Kind::Toml),
        other if FOREIGN.contains(&other) && Path::new(path).is_file() => Err(Problem::new(
            Code::NotAModel,
            format!("`{path}` is not a model that can be read (.{other})"),
        )
        .help("give the config.json beside it, or export the model to ONNX; weights are not needed")
        .into()),
        _ => sniffed(path),
    }
}

/// A file whose name says nothing: an object is a configuration, what is not text may be a graph.
///
/// Other text is refused as it is: its lines would only be repeated in messages about TOML.
fn sniffed(path: &str) -> Result<Entry, Problems> {
    let bytes = bytes(path, u64::MAX)?;
    let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
    match (first, std::str::from_utf8(&bytes)) {
        (_, Err(_)) => Ok(entry(path, Kind::Onnx, Content::Bytes(bytes))),
        (Some(b'{'), Ok(text)) => {
            let content = Content::Text(text.to_owned());
            Ok(entry(path, Kind::Json, content))
        }
        (_, Ok(_)) => Err(
            Problem::new(Code::NotAModel, format!("`{path}` is not a model file"))
                .help("a model is an .onnx, a config.json or a workload .toml")
                .into(),
        ),
    }
}

fn entry(path: &str, kind: Kind, content: Content) -> Entry {
    let folder = Path::new(path).parent().map(PathBuf::from);
    Entry {
        name: name(Path::new(path)),
        origin: path.to_owned(),
        kind,
        content,
        base: Base::Folder(folder.unwrap_or_default()),
    }
}

/// The file's stem, or the folder's name where the stem says nothing.
fn name(path: &Path) -> String {
    let text = |s: Option<&std::ffi::OsStr>| s.map(|s| s.to_string_lossy().into_owned());
    let stem = text(path.file_stem()).unwrap_or_default();
    match (stem.as_str(), text(path.parent().and_then(Path::file_name))) {
        ("config" | "model", Some(folder)) => folder,
        _ => stem,
    }
}

fn bytes(path: &str, limit: u64) -> Result<Vec<u8>, Problems> {
    let unreadable = |cause: String| {
        Problem::new(
            Code::Unreadable,
            format!("`{path}` cannot be read: {cause}"),
        )
    };
    let found = fs::metadata(path).map_err(|e| unreadable(e.to_string()))?;
    if found.is_dir() {
        let inside = Path::new(path).join("config.json");
        let problem = unreadable("it is a folder".to_owned());
        return Err(match inside.is_file() {
            true => problem.help(format!("give `{}`", inside.display())),
            false => problem.help("give a file"),
        }
        .into());
    }
    if found.len() > limit {
        let (size, most) = (found.len() >> 20, limit >> 20);
        return Err(unreadable(format!(
            "{size} MiB, and a text of at most {most} MiB is expected"
        ))
        .into());
    }
    fs::read(path).map_err(|e| unreadable(e.to_string()).into())
}

fn utf8(path: &str, bytes: Vec<u8>) -> Result<String, Problems> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::new(
            Code::Syntax,
            format!("`{path}` is not UTF-8 text (byte {at})"),
        )
        .help("save it as UTF-8")
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}
