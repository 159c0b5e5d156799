//! Where a lake is, and the object store behind it. Only this module builds stores.

mod local;
mod names;
mod tagged;

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, ReqwestConnector, SpawnedReqwestConnector,
};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::limit::LimitStore;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    RetryConfig,
};
use tokio::runtime::Handle;

use crate::error::{ELSEWHERE, Error, Result};
use crate::snapshots::{self, PROBE_FOLDER};
use crate::store::local::{LocalStore, stale_staged};
use crate::store::names::unnameable;
pub use crate::store::names::upload_of;
use crate::store::tagged::TaggedStore;

/// The folder below a lake that belongs to the platform.
pub const PLATFORM_FOLDER: &str = "_perennial";

/// The url under which an engine registers the store of a local lake. It is made up: paths in that store are
/// relative to the lake, so that no statement can name a file outside of it.
pub const LOCAL_STORE_URL: &str = "lake://local/";

/// The most requests to a remote store that are under way at once.
const REQUESTS: usize = 64;

/// Something put between a lake and its store, such as one that counts or fails.
pub type StoreWrapper = Arc<dyn Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> + Send + Sync>;

/// A folder of a store. Cheap to clone.
#[derive(Clone)]
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    store_url: Arc<str>,
    url: Arc<str>,
    prefix: Path,
    /// Where a local lake is.
    folder: Option<Arc<FilePath>>,
}

/// Without the store, whose own text can have credentials in it.
impl std::fmt::Debug for Lake {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Lake")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Lake {
    /// Opens the lake at `url`: a folder (relative ones are relative to `base`, the folder of the configuration
    /// file), `file://`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    ///
    /// Credentials come from the environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`) or the platform's chain. A remote
    /// store is not contacted here; [`Lake::verify`] does that.
    ///
    /// # Errors
    /// When the url is malformed, or when a local folder does not exist, is not a folder or cannot be read.
    pub fn open(url: &str, base: &FilePath) -> Result<Self> {
        match Location::parse(url, base)? {
            Location::Local(folder) => Self::open_folder(url, &folder),
            Location::Remote {
                scheme,
                bucket,
                prefix,
            } => {
                let store = remote_store(url, scheme, &bucket)?;
                Self::with_store(store, &format!("{scheme}://{bucket}"), &prefix)
            }
        }
    }

    /// Opens the lake at `url` after making its folder, and those above it, when it is local.
    ///
    /// # Errors
    /// As [`Lake::open`], and when the folder cannot be made.
    pub fn create(url: &str, base: &FilePath) -> Result<Self> {
        if let Location::Local(folder) = Location::parse(url, base)? {
            std::fs::create_dir_all(&folder).map_err(|error| Error::Folder {
                url: url.to_owned(),
                reason: error.kind().to_string(),
            })?;
        }
        Self::open(url, base)
    }

    /// A lake at `prefix` of a store that the caller built.
    ///
    /// # Errors
    /// When `prefix` is not a path of an object store.
    pub fn with_store(store: Arc<dyn ObjectStore>, store_url: &str, prefix: &str) -> Result<Self> {
        let prefix = parse_path(prefix)?;
        let url = format!("{}/{prefix}", store_url.trim_end_matches('/'));
        Ok(Self {
            store,
            store_url: store_url.into(),
            url: url.trim_end_matches('/').into(),
            prefix,
            folder: None,
        })
    }

    /// The lake, with something between it and its store.
    #[must_use]
    pub fn wrapped(mut self, wrap: &StoreWrapper) -> Self {
        self.store = wrap(self.store);
        self
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// Scheme and authority under which an engine registers the store: `lake://local/` or `s3://bucket`.
    pub fn store_url(&self) -> &str {
        &self.store_url
    }

    /// Where the lake is, in the words of the configuration.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The full path in the store of a path relative to the lake.
    ///
    /// # Errors
    /// When `relative` has empty segments, `.` or `..`, or control characters.
    pub fn path(&self, relative: &str) -> Result<Path> {
        let relative = parse_path(relative)?;
        if self.prefix.is_root() {
            return Ok(relative);
        }
        if relative.is_root() {
            return Ok(self.prefix.clone());
        }
        parse_path(&format!("{}/{relative}", self.prefix))
    }

    /// The path relative to the lake of a full path in the store; none when it is not below the lake.
    pub fn relative(&self, path: &Path) -> Option<String> {
        if self.prefix.is_root() {
            return Some(path.as_ref().to_owned());
        }
        let rest = path.as_ref().strip_prefix(self.prefix.as_ref())?;
        if rest.is_empty() {
            Some(String::new())
        } else {
            rest.strip_prefix('/').map(str::to_owned)
        }
    }

    /// Makes sure that the store can be written and honours create-if-absent, which commits rely on. `unique` is
    /// a name that no other process uses at the same time.
    ///
    /// # Errors
    /// [`Error::Unconditional`] when the same name can be created twice, and whatever the store answers.
    pub async fn verify(&self, unique: &str) -> Result<()> {
        let relative = format!("{PROBE_FOLDER}/{unique}");
        let path = self.path(&relative)?;
        let create = || {
            self.store
                .put_opts(&path, PutPayload::from_static(b"probe"), create_only())
        };
        let unconditional = || Error::Unconditional {
            url: self.url().to_owned(),
        };
        match create().await {
            Ok(_) => {}
            // The name is nobody else's: an answer was lost, and the library's second try met what the first had made.
            Err(error) if is_there(&error) => {}
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                return Err(unconditional());
            }
            Err(error) => return Err(Error::store("write", &relative, &error)),
        }
        let second = create().await;
        self.store
            .delete(&path)
            .await
            .map_err(|error| Error::store("delete", &relative, &error))?;
        match second {
            Ok(_) => Err(unconditional()),
            Err(error) if is_there(&error) => Ok(()),
            Err(error) => Err(Error::store("write", &relative, &error)),
        }
    }

    /// Whether what has been unified is not where it should be: a local lake without even the folder of its snapshots is
    /// not mounted, and what is there is the folder that it is mounted over.
    pub async fn is_elsewhere(&self) -> bool {
        let Some(folder) = self.folder.clone() else {
            return false;
        };
        let there = tokio::task::spawn_blocking(move || folder.join(snapshots::FOLDER).try_exists());
        matches!(there.await, Ok(Ok(false)))
    }

    /// What the error amounts to that a file of a snapshot is no longer there.
    pub async fn missed(&self, error: Error) -> Error {
        match error {
            Error::NotFound { path } if self.is_elsewhere().await => Error::Unavailable {
                operation: "read",
                path,
                reason: ELSEWHERE.to_owned(),
            },
            error => error,
        }
    }

    /// Removes what uploads that died have left where no listing shows it: in a local lake, files that the library
    /// had begun and nobody has written to for `grace` microseconds before `now`. Answers how many.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub async fn remove_staged(&self, now: i64, grace: i64) -> Result<usize> {
        let Some(folder) = self.folder.clone() else {
            return Ok(0);
        };
        let removed =
            tokio::task::spawn_blocking(move || stale_staged(&folder.join(PLATFORM_FOLDER), now, grace));
        let removed = removed
            .await
            .map_err(|source| object_store::Error::JoinError { source });
        removed
            .and_then(|removed| removed)
            .map_err(|error| Error::store("delete", PLATFORM_FOLDER, &error))
    }

    /// The files of a local lake that no listing has, as no object can have their names: an escaped path, and the rest.
    pub(crate) async fn unnameable(&self) -> Result<Vec<(String, ObjectMeta)>> {
        let Some(folder) = self.folder.clone() else {
            return Ok(Vec::new());
        };
        let found = tokio::task::spawn_blocking(move || unnameable(&folder)).await;
        found
            .map_err(|source| object_store::Error::JoinError { source })
            .and_then(|found| found)
            .map_err(|error| Error::store("list", "", &error))
    }

    fn open_folder(url: &str, folder: &FilePath) -> Result<Self> {
        let refuse = |reason: String| Error::Folder {
            url: url.to_owned(),
            reason,
        };
        let io = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => refuse("the folder does not exist".to_owned()),
            kind => refuse(kind.to_string()),
        };
        if !std::fs::metadata(folder).map_err(io)?.is_dir() {
            return Err(refuse("it is a file, not a folder".to_owned()));
        }
        std::fs::read_dir(folder).map_err(io)?;
        // Links below a lake are not followed; one here would look like a lake without snapshots.
        if folder.join(PLATFORM_FOLDER).is_symlink() {
            return Err(refuse(format!(
                "\"{PLATFORM_FOLDER}\" in it is a link, and links are not followed"
            )));
        }
        let store =
            LocalStore::try_new(folder).map_err(|_| refuse("the folder cannot be used".to_owned()))?;
        let url = url.into();
        Ok(Self {
            store: Arc::new(store),
            store_url: LOCAL_STORE_URL.into(),
            url,
            prefix: Path::default(),
            folder: Some(folder.into()),
        })
    }
}

/// Options of a put that succeeds only for a name not yet taken.
pub(crate) fn create_only() -> PutOptions {
    PutOptions {
        mode: PutMode::Create,
        ..PutOptions::default()
    }
}

/// Whether a put that only creates has failed because the name is taken.
pub(crate) fn is_there(error: &object_store::Error) -> bool {
    matches!(
        error,
        object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }
    )
}

/// A path of an object store from text that a user may have written.
pub(crate) fn parse_path(text: &str) -> Result<Path> {
    Path::parse(text).map_err(|_| Error::InvalidPath {
        path: text.to_owned(),
        reason: "not a path inside of the lake".to_owned(),
    })
}

/// A lake's url, taken apart.
#[derive(Debug, PartialEq)]
enum Location {
    Local(PathBuf),
    Remote {
        scheme: &'static str,
        bucket: String,
        prefix: String,
    },
}

impl Location {
    fn parse(url: &str, base: &FilePath) -> Result<Self> {
        let refuse = |reason: &str| Error::InvalidUrl {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        if url.is_empty() {
            return Err(refuse("it is empty"));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Ok(Self::Local(base.join(url)));
        };
        let scheme = match scheme {
            "s3" => "s3",
            "gs" => "gs",
            "az" => "az",
            "file" => {
                let decoded = Path::from_url_path(rest).map_err(|_| refuse("not the path of a folder"))?;
                return match rest.starts_with('/') {
                    true => Ok(Self::Local(PathBuf::from(format!("/{decoded}")))),
                    false => Err(refuse("a file url has three slashes: file:///folder")),
                };
            }
            _ => return Err(refuse("this kind of store is not supported")),
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.contains(['@', '?', ':']) || prefix.contains('?') {
            // The url may hold a secret: it is not repeated.
            let reason =
                "it has more than a bucket and a prefix; credentials come from the environment".to_owned();
            return Err(Error::InvalidUrl {
                url: format!("{scheme}://…"),
                reason,
            });
        }
        if bucket.is_empty() {
            return Err(refuse("it names no bucket"));
        }
        Ok(Self::Remote {
            scheme,
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }
}

/// A request is tried for half a minute: who waits for an answer wants to know that the store is away.
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: Duration::from_secs(30),
    }
}

/// How long one request may take where the environment does not say (`AWS_TIMEOUT` and its like): large files need more
/// than the library's thirty seconds.
const TIMEOUT: &str = "120 seconds";
const TIMEOUT_KEY: ClientConfigKey = ClientConfigKey::Timeout;

/// Sends requests on the runtime on which a lake is opened. That of a caller may end while others use its connections, or
/// have no time for them while it computes.
#[derive(Debug)]
struct Requests;

impl HttpConnector for Requests {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        match Handle::try_current() {
            Ok(runtime) => SpawnedReqwestConnector::new(runtime).connect(options),
            Err(_) => ReqwestConnector::default().connect(options),
        }
    }
}

fn remote_store(url: &str, scheme: &str, bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    let built: object_store::Result<Arc<dyn ObjectStore>> = match scheme {
        "s3" => {
            let mut builder = AmazonS3Builder::from_env()
                .with_http_connector(Requests)
                .with_bucket_name(bucket)
                .with_retry(retries())
                // Commits rely on it, whatever the environment says.
                .with_conditional_put(S3ConditionalPut::ETagMatch);
            let key = AmazonS3ConfigKey::Client(TIMEOUT_KEY);
            if builder.get_config_value(&key) == AmazonS3Builder::new().get_config_value(&key) {
                builder = builder.with_config(key, TIMEOUT);
            }
            builder
                .build()
                .map(|store| Arc::new(LimitStore::new(store, REQUESTS)) as _)
        }
        "gs" => {
            let mut builder = GoogleCloudStorageBuilder::from_env()
                .with_http_connector(Requests)
                .with_bucket_name(bucket)
                .with_retry(retries());
            let key = GoogleConfigKey::Client(TIMEOUT_KEY);
            if builder.get_config_value(&key) == GoogleCloudStorageBuilder::new().get_config_value(&key) {
                builder = builder.with_config(key, TIMEOUT);
            }
            builder
                .build()
                .map(|store| Arc::new(LimitStore::new(store, REQUESTS)) as _)
        }
        _ => {
            let mut builder = MicrosoftAzureBuilder::from_env()
                .with_http_connector(Requests)
                .with_container_name(bucket)
                .with_retry(retries());
            let key = AzureConfigKey::Client(TIMEOUT_KEY);
            if builder.get_config_value(&key) == MicrosoftAzureBuilder::new().get_config_value(&key) {
                builder = builder.with_config(key, TIMEOUT);
            }
            builder
                .build()
                .map(|store| Arc::new(TaggedStore(Arc::new(LimitStore::new(store, REQUESTS)))) as _)
        }
    };
    built.map_err(|_| Error::InvalidUrl {
        url: url.to_owned(),
        reason: "the store's settings in the environment are incomplete or malformed".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        #[track_caller]
        fn check(url: &str, expected: Option<Location>) {
            assert_eq!(
                Location::parse(url, FilePath::new("/etc/conf")).ok(),
                expected,
                "{url}"
            );
        }
        let local = |path: &str| Some(Location::Local(PathBuf::from(path)));
        let remote = |scheme, bucket: &str, prefix: &str| {
            Some(Location::Remote {
                scheme,
                bucket: bucket.into(),
                prefix: prefix.into(),
            })
        };
        check("./lake", local("/etc/conf/./lake"));
        check("/data/lake", local("/data/lake"));
        check("file:///data/my%20lake", local("/data/my lake"));
        check("s3://bucket", remote("s3", "bucket", ""));
        check("gs://bucket/a/b/", remote("gs", "bucket", "a/b"));
        check("az://container/a", remote("az", "container", "a"));
        for bad in [
            "",
            "file://data",
            "ftp://x/y",
            "s3:///a",
            "s3://key:secret@bucket/a",
            "az://c/p?sig=1",
        ] {
            check(bad, None);
        }
        let shown = Location::parse("s3://key:secret@bucket", FilePath::new("/"))
            .unwrap_err()
            .to_string();
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_folder_that_is_not_there_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = Lake::open("./lake", folder.path()).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot open the lake \"./lake\": the folder does not exist"
        );
        std::fs::write(folder.path().join("lake"), "x").unwrap();
        assert!(
            Lake::open("lake", folder.path())
                .unwrap_err()
                .to_string()
                .contains("a file, not a folder")
        );
        assert!(Lake::create("new/lake", folder.path()).is_ok());
    }

    #[test]
    fn paths_are_relative_to_the_prefix_both_ways() {
        let lake = Lake::with_store(Arc::new(InMemory::new()), "s3://b", "team/lake").unwrap();
        let path = lake.path("shop/orders/a b.parquet").unwrap();
        assert_eq!(path.as_ref(), "team/lake/shop/orders/a b.parquet");
        assert_eq!(lake.relative(&path).as_deref(), Some("shop/orders/a b.parquet"));
        assert_eq!(lake.relative(&Path::from("team/lakes/a")), None);
        assert_eq!((lake.url(), lake.store_url()), ("s3://b/team/lake", "s3://b"));
        assert!(lake.path("../secret").is_err());
    }

    #[tokio::test]
    async fn a_store_without_create_if_absent_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(".", folder.path()).unwrap();
        lake.verify("p1").await.unwrap();
        lake.verify("p1").await.unwrap();

        let careless = crate::testing::FaultyStore::new(Arc::new(InMemory::new())).with_unconditional_puts();
        let lake = Lake::with_store(Arc::new(careless), "s3://b", "").unwrap();
        assert!(matches!(
            lake.verify("p1").await,
            Err(Error::Unconditional { .. })
        ));
    }
}
