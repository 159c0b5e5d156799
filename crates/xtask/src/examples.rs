//! `cargo xtask examples`: runs every example and compares what it prints with its `expected.txt`.
//!
//! An example is a folder of `examples/` with an `expected.txt` and one of
//! - `main.rs`: a target of the package `perennial-examples` with the folder's name, or
//! - `run`: a shell script. It runs in a copy of the folder that is thrown away, with the product as `perennial` on its path.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{Repository, call, environment, output, say};

/// Runs them all, and fails after the last one when some differ.
pub(crate) fn run(repository: &Repository) -> Result<()> {
    let mut failed = Vec::new();
    for folder in folders(&repository.root.join("examples"))? {
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        say(format_args!("example {name}"));
        if let Err(error) = run_one(repository, &folder, &name) {
            say(format_args!("{error:#}"));
            failed.push(name);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("examples failed: {}", failed.join(", "))
    }
}

fn run_one(repository: &Repository, folder: &Path, name: &str) -> Result<()> {
    let expected_path = folder.join("expected.txt");
    let expected = fs::read_to_string(&expected_path)
        .with_context(|| format!("examples/{name}: write what it prints to expected.txt"))?;
    let printed = if folder.join("main.rs").is_file() {
        let target = [
            "run",
            "--quiet",
            "--locked",
            "--package",
            "perennial-examples",
            "--example",
            name,
        ];
        output(repository.command("cargo").args(target))?
    } else if folder.join("run").is_file() {
        run_script(repository, folder, name)?
    } else {
        bail!("examples/{name} has neither main.rs nor run");
    };
    compare(&expected, &printed).with_context(|| format!("examples/{name}/expected.txt"))
}

fn run_script(repository: &Repository, folder: &Path, name: &str) -> Result<String> {
    call(
        repository
            .command("cargo")
            .args(["build", "--quiet", "--locked", "--package", "perennial-cli"]),
    )?;
    let copy = std::env::temp_dir().join(format!("perennial-example-{name}-{}", std::process::id()));
    copy_folder(folder, &copy)?;
    let printed = output(
        Command::new("bash")
            .arg("run")
            .current_dir(&copy)
            .env("PATH", path_with(&binary_folder(repository)?)?),
    );
    fs::remove_dir_all(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    printed
}

/// Where cargo puts the binaries of the dev profile.
fn binary_folder(repository: &Repository) -> Result<PathBuf> {
    let metadata = output(repository.command("cargo").args([
        "metadata",
        "--locked",
        "--no-deps",
        "--format-version",
        "1",
    ]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let target = metadata["target_directory"]
        .as_str()
        .context("cargo names no target folder")?;
    Ok(Path::new(target).join("debug"))
}

fn path_with(first: &Path) -> Result<OsString> {
    let path = environment("PATH").unwrap_or_default();
    let folders = std::iter::once(first.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("the target folder cannot be on PATH")
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    if !parent.is_dir() {
        return Ok(Vec::new());
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.file_type()?.is_dir() && !hidden {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

/// White space at the ends of lines and of the text does not count.
fn compare(expected: &str, printed: &str) -> Result<()> {
    let lines = |text: &str| {
        text.trim_end()
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect::<Vec<_>>()
    };
    let (expected, printed) = (lines(expected), lines(printed));
    if expected == printed {
        return Ok(());
    }
    let equal = expected
        .iter()
        .zip(&printed)
        .take_while(|(expected, printed)| expected == printed)
        .count();
    let show = |lines: &[String]| {
        lines
            .get(equal)
            .cloned()
            .unwrap_or_else(|| "(nothing)".to_owned())
    };
    bail!(
        "line {}: expected: {}\nprinted: {}",
        equal + 1,
        show(&expected),
        show(&printed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_compared_line_by_line() {
        assert!(compare("a\nb\n", "a  \nb").is_ok());
        let error = compare("a\nb\n", "a\nc\n").unwrap_err().to_string();
        assert_eq!(error, "line 2: expected: b\nprinted: c");
        let error = compare("a\n", "").unwrap_err().to_string();
        assert_eq!(error, "line 1: expected: a\nprinted: (nothing)");
    }
}
