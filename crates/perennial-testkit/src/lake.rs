//! Lakes to test on: nothing but functions, the small demo, or files of a test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use perennial_base::Config;
use perennial_demo::{DemoOptions, generate};
use perennial_lake::{Lake, Manifest, Snapshots, testing};
use tempfile::TempDir;

use crate::must;
use crate::server::apart;

/// People whom the business of the small demo knows; anonymous visitors come on top.
pub const DEMO_CUSTOMERS: u64 = 300;
/// The seed of the small demo.
pub const DEMO_SEED: u64 = 7;

const CONFIG: &str = "perennial.toml";
const TRUST: &str = "[lake]\nurl = \"./lake\"\nrefresh = \"off\"\n[server]\nauthentication = \"trust\"\n";

/// A temporary folder with a `perennial.toml` and the folder `lake`, removed with the last clone.
#[derive(Debug, Clone)]
pub struct TestLake {
    folder: Arc<Folder>,
    /// Where the lake is, when it is not in the folder.
    remote: Option<Arc<str>>,
}

#[derive(Debug)]
enum Folder {
    Own(TempDir),
    Other(PathBuf),
}

impl TestLake {
    /// A lake without sources: functions and the platform's own relations.
    pub fn empty() -> Self {
        Self::of(TRUST, &[])
    }

    /// The demo of [`DEMO_CUSTOMERS`] people, made and unified once for all who hold it at the same time.
    pub fn demo_small() -> Self {
        static SHARED: Mutex<Weak<Folder>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = shared.upgrade() {
            return Self { folder, remote: None };
        }
        let lake = Self::demo_landed();
        lake.unify();
        *shared = Arc::downgrade(&lake.folder);
        lake
    }

    /// A demo of its own, of the same people, that is not unified.
    pub fn demo_landed() -> Self {
        let lake = Self::new();
        let options = DemoOptions {
            dir: lake.folder().to_owned(),
            customers: DEMO_CUSTOMERS,
            seed: DEMO_SEED,
        };
        must("the demo cannot be made", generate(&options, &mut |_| {}));
        lake
    }

    /// A lake with a configuration and landed files, each a path below the folder `lake` and its bytes. What the
    /// configuration has to say about the lake is `url = "./lake"`.
    pub fn of(config: &str, files: &[(&str, &[u8])]) -> Self {
        let lake = Self::new();
        must("the lake cannot be made", fs::create_dir(lake.root()));
        for (path, bytes) in files {
            lake.land(path, bytes);
        }
        lake.configure(config);
        lake
    }

    /// A copy of this lake and its configuration, in a folder of its own; times of files stay.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        must(
            "the lake cannot be copied",
            copy_folder(self.folder(), copy.folder()),
        );
        copy
    }

    /// The lake of another process, which its folder goes with.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            folder: Arc::new(Folder::Other(folder.to_owned())),
            remote: None,
        }
    }

    /// As [`TestLake::of`], with the lake at `url`: a place of a store that the environment knows how to reach.
    pub fn at(url: &str, config: &str, files: &[(&str, &[u8])]) -> Self {
        let mut lake = Self::new();
        lake.remote = Some(url.into());
        for (path, bytes) in files {
            lake.land(path, bytes);
        }
        lake.configure(&config.replace("\"./lake\"", &format!("\"{url}\"")));
        lake
    }

    /// Writes the configuration anew. Who has read it goes on with what it was.
    pub fn configure(&self, config: &str) {
        must(
            "the configuration cannot be written",
            fs::write(self.folder().join(CONFIG), config),
        );
    }

    /// Lands a file as a careful writer does: written beside its place under a name that is not looked at, then moved.
    pub fn land(&self, path: &str, bytes: &[u8]) {
        if self.remote.is_some() {
            let lake = self.opened();
            let (path, bytes) = (path.to_owned(), bytes.to_vec());
            let put = apart(move || async move { testing::put(&lake, &path, bytes.into()).await });
            return must("a file cannot land", put);
        }
        let path = self.root().join(path);
        let unfinished = path.with_extension("tmp");
        let landed = || {
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            fs::write(&unfinished, bytes)?;
            fs::rename(&unfinished, &path)
        };
        must("a file cannot land", landed());
    }

    /// Removes a landed file.
    pub fn remove(&self, path: &str) {
        let (lake, path) = (self.opened(), path.to_owned());
        let removed = apart(move || async move { testing::remove(&lake, &path).await });
        must("a file cannot be removed", removed);
    }

    /// The paths of all files below a folder of the lake, in order.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let (lake, folder) = (self.opened(), folder.to_owned());
        let names = apart(move || async move { testing::names(&lake, &folder).await });
        must("the lake cannot be listed", names)
    }

    /// The newest snapshot.
    pub fn manifest(&self) -> Manifest {
        let lake = self.opened();
        let newest = must(
            "the snapshots cannot be read",
            apart(move || async move { Snapshots::new(lake).newest().await }),
        );
        must("the lake has no snapshot", newest.ok_or("it was never unified"))
    }

    /// The lake, opened anew.
    pub(crate) fn opened(&self) -> Lake {
        let url = self.remote.as_deref().unwrap_or("./lake");
        must("the lake cannot be opened", Lake::open(url, self.folder()))
    }

    /// The folder of the configuration.
    pub fn folder(&self) -> &Path {
        match self.folder.as_ref() {
            Folder::Own(folder) => folder.path(),
            Folder::Other(folder) => folder,
        }
    }

    /// The root of the lake.
    pub fn root(&self) -> PathBuf {
        self.folder().join("lake")
    }

    /// The configuration, read anew. It listens on a port of the system's choice, whatever is written.
    pub fn config(&self) -> Arc<Config> {
        let mut config = must(
            "the configuration is not valid",
            Config::load(&self.folder().join(CONFIG)),
        );
        config.server.listen.set_port(0);
        Arc::new(config)
    }

    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("perennial-test-").tempdir();
        Self {
            folder: Arc::new(Folder::Own(must("there is no place for temporary files", folder))),
            remote: None,
        }
    }
}

/// Links files that never change, and copies none: both folders are of one disk.
fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::hard_link(entry.path(), target)?;
        }
    }
    Ok(())
}
