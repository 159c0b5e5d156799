//! Lakes to test on: nothing but functions, the small demo, or files of a test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use perennial_base::Config;
use perennial_demo::{DemoOptions, generate};
use tempfile::TempDir;

use crate::must;

/// People whom the business of the small demo knows; anonymous visitors come on top.
pub const DEMO_CUSTOMERS: u64 = 300;
/// The seed of the small demo.
pub const DEMO_SEED: u64 = 7;

const CONFIG: &str = "perennial.toml";
const TRUST: &str = "[lake]\nurl = \"./lake\"\nrefresh = \"off\"\n[server]\nauthentication = \"trust\"\n";

/// A temporary folder with a `perennial.toml` and the folder `lake`, removed with the last clone.
#[derive(Debug, Clone)]
pub struct TestLake {
    folder: Arc<TempDir>,
}

impl TestLake {
    /// A lake without sources: functions and the platform's own relations.
    pub fn empty() -> Self {
        Self::of(TRUST, &[])
    }

    /// The demo of [`DEMO_CUSTOMERS`] people, made and unified once for all who hold it at the same time.
    pub fn demo_small() -> Self {
        static SHARED: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = shared.upgrade() {
            return Self { folder };
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

    /// Writes the configuration anew. Who has read it goes on with what it was.
    pub fn configure(&self, config: &str) {
        must(
            "the configuration cannot be written",
            fs::write(self.folder().join(CONFIG), config),
        );
    }

    /// Lands a file as a careful writer does: written beside its place under a name that is not looked at, then moved.
    pub fn land(&self, path: &str, bytes: &[u8]) {
        let path = self.root().join(path);
        let unfinished = path.with_extension("tmp");
        let landed = || {
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            fs::write(&unfinished, bytes)?;
            fs::rename(&unfinished, &path)
        };
        must("a file cannot land", landed());
    }

    /// A lake of its own with the same files, none of which is written to: each is the same one under another name.
    #[must_use]
    pub fn twin(&self) -> Self {
        fn link(from: &Path, to: &Path) -> std::io::Result<()> {
            fs::create_dir_all(to)?;
            for entry in fs::read_dir(from)? {
                let entry = entry?;
                let to = to.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    link(&entry.path(), &to)?;
                } else {
                    fs::hard_link(entry.path(), &to)?;
                }
            }
            Ok(())
        }
        let twin = Self::new();
        must("a lake cannot be copied", link(self.folder(), twin.folder()));
        twin
    }

    /// The folder of the configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
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
            folder: Arc::new(must("there is no place for temporary files", folder)),
        }
    }
}
