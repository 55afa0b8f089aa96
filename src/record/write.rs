//! Files that appear whole or not at all.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::diag::{Code, Problem, Problems};

/// Creates a folder and those above it.
///
/// # Errors
/// E0203 if the operating system refuses, or a file is in the way.
pub fn create_folder(folder: &Path) -> Result<(), Problems> {
    fs::create_dir_all(folder).map_err(|error| refused(folder, &error))
}

/// Writes a file beside its place, then renames it.
///
/// # Errors
/// E0203 if the operating system refuses.
pub fn write_file(path: &Path, content: &[u8]) -> Result<(), Problems> {
    write_blocks(path, std::iter::once(content))
}

/// As [`write_file`], block by block.
///
/// # Errors
/// E0203 if the operating system refuses.
pub fn write_blocks<B: AsRef<[u8]>>(
    path: &Path,
    blocks: impl Iterator<Item = B>,
) -> Result<(), Problems> {
    let Some(name) = path.file_name() else {
        let message = format!("`{}` cannot be written: it names no file", path.display());
        return Err(Problem::new(Code::Unreadable, message).into());
    };
    // Devices such as /dev/stdout cannot be replaced by a renamed file.
    let special = fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir());
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(hidden);
    let fill = |mut file: fs::File| {
        for block in blocks {
            file.write_all(block.as_ref())?;
        }
        Ok(file)
    };
    if special {
        let file = fs::File::options().write(true).open(path).and_then(fill);
        return file.map(|_| ()).map_err(|error| refused(path, &error));
    }
    let written = fs::File::create(&part)
        .and_then(fill)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        // The unfinished part is of no use; that it may not exist is fine.
        let _ = fs::remove_file(&part);
        refused(path, &error)
    })
}

pub(super) fn refused(path: &Path, error: &std::io::Error) -> Problems {
    let message = format!("`{}` cannot be written: {error}", path.display());
    Problem::new(Code::Unreadable, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let folder = std::env::temp_dir().join(format!("wattline-write-{}", std::process::id()));
        create_folder(&folder.join("deep")).expect("can be created");
        let path = folder.join("deep/run.json");
        write_file(&path, b"old, and longer").expect("can be written");
        write_file(&path, b"new").expect("can be written");
        assert_eq!(fs::read(&path).expect("exists"), b"new");
        let n_files = fs::read_dir(folder.join("deep")).expect("exists").count();
        assert_eq!(n_files, 1);
        let below_a_file = write_file(&path.join("x"), b"").expect_err("must be refused");
        assert!(below_a_file.to_string().starts_with("E0203"));
        fs::remove_dir_all(&folder).expect("can be removed");
    }
}
