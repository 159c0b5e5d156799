//! Reads the very files that a plan names: a file that was replaced since is an error, never a mixture of two.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, coalesce_ranges,
};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use perennial_lake::{Lake, PLATFORM_FOLDER};

/// Makes readers of the files of a lake; footers are kept in memory.
#[derive(Debug)]
pub(crate) struct PinnedReaders {
    lake: Lake,
    cache: Arc<FileMetadataCache>,
}

impl PinnedReaders {
    pub(crate) fn new(lake: &Lake, cache: Arc<FileMetadataCache>) -> Self {
        Self {
            lake: lake.clone(),
            cache,
        }
    }
}

impl ParquetFileReaderFactory for PinnedReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let meta = file.object_meta;
        Ok(Box::new(PinnedReader {
            metrics: ParquetFileMetrics::new(partition, meta.location.as_ref(), metrics),
            lake: self.lake.clone(),
            name: self.lake.relative(&meta.location).unwrap_or_default(),
            store: PinnedStore {
                store: self.lake.store(),
                e_tag: meta.e_tag.clone(),
            },
            meta,
            cache: Arc::clone(&self.cache),
            metadata_size_hint,
        }))
    }
}

struct PinnedReader {
    metrics: ParquetFileMetrics,
    lake: Lake,
    /// The path relative to the lake, for messages.
    name: String,
    store: PinnedStore,
    meta: ObjectMeta,
    cache: Arc<FileMetadataCache>,
    metadata_size_hint: Option<usize>,
}

impl PinnedReader {
    /// The failure of a store in words of ours: its own text can have paths of the server in it, and worse.
    async fn failed(&self, error: &object_store::Error) -> ParquetError {
        let failure = perennial_lake::Error::store("read", &self.name, error);
        let mut failure = self.lake.missed(failure).await;
        // A file of ours is written once: one of another size will not be whole again, however often it is asked for.
        if self.is_ours()
            && matches!(failure, perennial_lake::Error::Unavailable { .. })
            && let Ok(found) = self.store.head(&self.meta.location).await
            && found.size != self.meta.size
        {
            failure = self.damaged(format!(
                "it has {} bytes, and {} were written",
                found.size, self.meta.size
            ));
        }
        ParquetError::External(Box::new(failure))
    }

    /// Whether it is a data file of a snapshot, and not one that has landed.
    fn is_ours(&self) -> bool {
        self.name.split('/').next() == Some(PLATFORM_FOLDER)
    }

    fn damaged(&self, reason: String) -> perennial_lake::Error {
        perennial_lake::Error::DamagedData {
            path: self.name.clone(),
            reason,
        }
    }
}

impl AsyncFileReader for PinnedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            let ranges = [range];
            let mut bytes = self.read(&ranges).await?;
            bytes
                .pop()
                .ok_or_else(|| ParquetError::EOF("nothing was read".to_owned()))
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move { self.read(&ranges).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let fetched = DFParquetMetadata::new(&self.store, &self.meta)
                .with_file_metadata_cache(Some(Arc::clone(&self.cache)))
                .with_metadata_size_hint(self.metadata_size_hint)
                .with_page_index_policy(options.map(ArrowReaderOptions::column_index_policy))
                .fetch_metadata()
                .await;
            let error = match fetched {
                Ok(metadata) => return Ok(metadata),
                Err(error) => error,
            };
            if let Some(cause) = store_error(&error) {
                return Err(self.failed(cause).await);
            }
            Err(match error {
                DataFusionError::ParquetError(error) if self.is_ours() => {
                    let said = error.to_string();
                    let said = said.trim_start_matches("Parquet error: ");
                    ParquetError::External(Box::new(self.damaged(said.to_owned())))
                }
                DataFusionError::ParquetError(error) => *error,
                other => ParquetError::External(Box::new(other)),
            })
        }
        .boxed()
    }
}

impl PinnedReader {
    async fn read(&self, ranges: &[Range<u64>]) -> parquet::errors::Result<Vec<Bytes>> {
        let asked: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.metrics
            .bytes_scanned
            .add(usize::try_from(asked).unwrap_or(usize::MAX));
        let read = self.store.get_ranges(&self.meta.location, ranges).await;
        match read {
            Ok(read) => Ok(read),
            Err(error) => Err(self.failed(&error).await),
        }
    }
}

impl Drop for PinnedReader {
    fn drop(&mut self) {
        let ratio = &self.metrics.scan_efficiency_ratio;
        ratio.add_part(self.metrics.bytes_scanned.value());
        ratio.set_total(usize::try_from(self.meta.size).unwrap_or(usize::MAX));
    }
}

/// The failure of a store behind an error of the engine.
pub fn store_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a object_store::Error> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| match error.downcast_ref() {
        Some(DataFusionError::ObjectStore(cause)) => Some(cause.as_ref()),
        Some(_) => None,
        None => error.downcast_ref::<object_store::Error>(),
    })
}

/// An error of the lake behind an error of the engine: what a reader of a file met.
pub fn lake_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a perennial_lake::Error> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| match error.downcast_ref() {
        Some(DataFusionError::External(inner)) => inner.downcast_ref(),
        Some(_) => None,
        None => error.downcast_ref::<perennial_lake::Error>(),
    })
}

/// One object of a store, in one version: reads of any other fail.
#[derive(Debug)]
struct PinnedStore {
    store: Arc<dyn ObjectStore>,
    /// The version; none for objects that never change.
    e_tag: Option<String>,
}

impl fmt::Display for PinnedStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(formatter)
    }
}

#[async_trait]
impl ObjectStore for PinnedStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let options = GetOptions {
            if_match: self.e_tag.clone(),
            ..options
        };
        let head = options.head;
        let found = self.store.get_opts(location, options).await?;
        if head {
            return Ok(found);
        }
        let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
        let bytes = found.bytes().await?;
        check(&range, &bytes)?;
        let whole = stream::once(std::future::ready(Ok(bytes))).boxed();
        Ok(GetResult {
            payload: GetResultPayload::Stream(whole),
            meta,
            range,
            attributes,
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        if self.e_tag.is_none() {
            let read = self.store.get_ranges(location, ranges).await?;
            for (range, bytes) in ranges.iter().zip(&read) {
                check(range, bytes)?;
            }
            return Ok(read);
        }
        let read = |range: Range<u64>| async move {
            let options = GetOptions {
                range: Some(range.clone().into()),
                ..GetOptions::default()
            };
            let bytes = self.get_opts(location, options).await?.bytes().await?;
            check(&range, &bytes)?;
            Ok(bytes)
        };
        coalesce_ranges(ranges, read, OBJECT_STORE_COALESCE_DEFAULT).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

/// Refuses a body that ends early and claims success: the decoder would panic over it, or take the file for damaged.
fn check(range: &Range<u64>, bytes: &Bytes) -> object_store::Result<()> {
    if bytes.len() as u64 == range.end.saturating_sub(range.start) {
        return Ok(());
    }
    Err(object_store::Error::Generic {
        store: "a data file",
        source: Box::new(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)),
    })
}
