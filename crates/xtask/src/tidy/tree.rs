//! What the rules look at: text files, manifests, the lock file and the layers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell::{Repository, output};
use crate::tidy::layers::Layers;

/// Files above this size are data, not text that somebody wrote.
const MAX_TEXT_BYTES: u64 = 1024 * 1024;

/// Folders that hold nothing of the repository's own.
const SKIPPED_FOLDERS: [&str; 4] = [".git", "target", "node_modules", "__pycache__"];

/// The checkout, read once.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Every text file, by its path from the root with `/`.
    pub(crate) files: BTreeMap<String, String>,
    /// Every file and folder, also those that are not text.
    pub(crate) paths: Vec<String>,
    pub(crate) packages: Vec<Package>,
    pub(crate) locked: Vec<Locked>,
    pub(crate) layers: Layers,
}

/// A member of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// From the root.
    pub(crate) manifest_path: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency that a manifest names.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Absent for a plain dependency, otherwise `dev` or `build`.
    pub(crate) kind: Option<String>,
}

/// A package of the lock file.
#[derive(Debug, Deserialize)]
pub(crate) struct Locked {
    pub(crate) name: String,
    pub(crate) version: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct LockFile {
    package: Vec<Locked>,
}

impl Tree {
    /// Reads the checkout. Nothing is compiled and nothing is downloaded.
    pub(crate) fn read(repository: &Repository) -> Result<Self> {
        let root = &repository.root;
        let mut tree = Self::default();
        walk(root, "", &mut tree)?;

        let metadata =
            output(
                repository
                    .command("cargo")
                    .args(["metadata", "--no-deps", "--format-version", "1"]),
            )?;
        let Metadata { mut packages } = serde_json::from_str(&metadata).context("cargo metadata")?;
        for package in &mut packages {
            let manifest = Path::new(&package.manifest_path);
            let relative = manifest.strip_prefix(root).unwrap_or(manifest);
            package.manifest_path = relative.to_string_lossy().into_owned();
        }
        tree.packages = packages;

        let LockFile { package } = toml::from_str(tree.file("Cargo.lock")?).context("Cargo.lock")?;
        tree.locked = package;
        tree.layers = toml::from_str(tree.file(Layers::PATH)?).context(Layers::PATH)?;
        Ok(tree)
    }

    /// The text files with one of `endings`.
    pub(crate) fn ending(&self, endings: &[&str]) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter(|(path, _)| endings.iter().any(|ending| path.ends_with(ending)))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    fn file(&self, path: &str) -> Result<&str> {
        self.files
            .get(path)
            .map(String::as_str)
            .with_context(|| format!("{path} is absent"))
    }
}

fn walk(folder: &Path, prefix: &str, tree: &mut Tree) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}/{name}")
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !SKIPPED_FOLDERS.contains(&name.as_str()) {
                tree.paths.push(path.clone());
                walk(&entry.path(), &path, tree)?;
            }
        } else if kind.is_file() {
            if entry.metadata()?.len() <= MAX_TEXT_BYTES
                && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
            {
                tree.files.insert(path.clone(), text);
            }
            tree.paths.push(path);
        }
    }
    Ok(())
}
