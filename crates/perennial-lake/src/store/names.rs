//! Names of files that are names of objects, and those that are none.

use std::io::ErrorKind;
use std::path::Path as FilePath;

use object_store::path::Path;
use object_store::{ObjectMeta, Result};

use super::local::{describe, generic};

/// The path below the root as an object's; none for names that are not Unicode or have control characters.
pub(super) fn object_path(root: &FilePath, path: &FilePath) -> Option<Path> {
    Path::parse(path.strip_prefix(root).ok()?.to_str()?).ok()
}

/// The name of what a file is an upload of, where the library reserves its name, `<name>#<digits>`, for uploads under way. It
/// lists and reads no such file.
pub fn upload_of(path: &str) -> Option<&str> {
    let from = path.rfind('/').map_or(0, |slash| slash + 1);
    let mark = from + path.get(from..)?.find('#')?;
    let digits = path.get(mark + 1..)?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| path.get(..mark))?
}

/// Whether an object can be of this name, and is listed.
fn listed(root: &FilePath, path: &FilePath) -> bool {
    object_path(root, path).is_some_and(|location| upload_of(location.as_ref()).is_none())
}

/// The regular files below the root that no object can be named after, uploads under way among them, each with a name in which
/// what is not allowed is escaped. Folders and links of the same kind as in a listing are left out, and so are folders whose names begin with `_`
/// or `.`.
pub(super) fn unnameable(root: &FilePath) -> Result<Vec<(String, ObjectMeta)>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
                ) =>
            {
                continue;
            }
            Err(error) => return Err(generic(error)),
        };
        for entry in entries {
            let entry = entry.map_err(generic)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(generic)?);
            let hidden = matches!(entry.file_name().as_encoded_bytes().first(), Some(b'_' | b'.'));
            if kind.is_dir() && !hidden {
                folders.push(path);
            } else if kind.is_file()
                && !listed(root, &path)
                && let Ok(below) = path.strip_prefix(root)
                && let Ok(metadata) = entry.metadata()
            {
                let name = escaped(below.as_os_str().as_encoded_bytes());
                found.push((name, describe(Path::default(), &metadata)));
            }
        }
    }
    Ok(found)
}

/// A path as text: control characters as Rust writes them, bytes that are not UTF-8 in hexadecimal digits.
fn escaped(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character.is_control() || character == '\\' {
                true => text.extend(character.escape_default()),
                false => text.push(character),
            }
        }
        text.extend(
            chunk
                .invalid()
                .iter()
                .flat_map(|byte| std::ascii::escape_default(*byte).map(char::from)),
        );
    }
    text
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn what_no_object_can_be_named_after_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &[u8]| {
            let path = folder.path().join(OsStr::from_bytes(path));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        for path in [
            &b"line\nbreak"[..],
            b"\xff\xfe/x",
            b"a/tab\there/back\\slash",
            b"a/x.parquet#2",
            b"a#2/x.parquet#y",
            b"_own/line\nbreak",
            b"plain",
            "größe".as_bytes(),
        ] {
            put(path);
        }
        let found = unnameable(folder.path()).unwrap();
        let mut names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                r"\xff\xfe/x",
                r"a/tab\there/back\\slash",
                "a/x.parquet#2",
                r"line\nbreak"
            ]
        );
        assert!(found.iter().all(|(_, meta)| meta.size == 1));
    }

    #[test]
    fn an_upload_is_known_by_its_name() {
        let of = |name: &str, expected: Option<&str>| assert_eq!(upload_of(name), expected, "{name}");
        of("orders/x.parquet#2", Some("orders/x.parquet"));
        of("x#12", Some("x"));
        of("#1", Some(""));
        for plain in ["x", "x#", "x#2.parquet", "x#1#2", "orders#2/x", "", "größe#½"] {
            of(plain, None);
        }
    }
}
