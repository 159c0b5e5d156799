//! A store whose listings give tags as its other answers do.
//!
//! Azure's listings have the tag of a blob without the quotes that every other answer puts around it, so that a file
//! seems to change between a listing and a look (Azurite issue 361). Conditions accept both forms.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// See the module.
#[derive(Debug)]
pub(super) struct TaggedStore(pub(super) Arc<dyn ObjectStore>);

fn quoted(mut meta: ObjectMeta) -> ObjectMeta {
    meta.e_tag = meta.e_tag.map(|tag| {
        if tag.ends_with('"') {
            tag
        } else {
            format!("\"{tag}\"")
        }
    });
    meta
}

impl std::fmt::Display for TaggedStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

#[async_trait]
impl ObjectStore for TaggedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix).map(|meta| meta.map(quoted)).boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.0.list_with_offset(prefix, offset);
        listed.map(|meta| meta.map(quoted)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.0.list_with_delimiter(prefix).await?;
        listed.objects = listed.objects.into_iter().map(quoted).collect();
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_quoted_once() {
        #[track_caller]
        fn check(listed: Option<&str>, expected: Option<&str>) {
            let meta = ObjectMeta {
                location: Path::from("a"),
                last_modified: chrono::DateTime::UNIX_EPOCH,
                size: 1,
                e_tag: listed.map(str::to_owned),
                version: None,
            };
            assert_eq!(quoted(meta).e_tag.as_deref(), expected);
        }
        check(Some("0x1F"), Some("\"0x1F\""));
        check(Some("\"0x1F\""), Some("\"0x1F\""));
        check(Some("W/\"0x1F\""), Some("W/\"0x1F\""));
        check(None, None);
    }
}
