//! The folder as a store, on a real one.

use perennial_base::{Clock, SystemClock};

use super::*;
use crate::store::names::unnameable;

const FIRST: Range<u64> = 0..1;

async fn names(store: &LocalStore, prefix: Option<&str>) -> Vec<String> {
    let prefix = prefix.map(Path::from);
    let mut names: Vec<_> = store
        .list(prefix.as_ref())
        .map_ok(|meta| meta.location.to_string())
        .try_collect()
        .await
        .unwrap();
    names.sort();
    names
}

#[tokio::test]
async fn links_are_neither_listed_nor_read() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.parquet"), "x").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("real/deep")).unwrap();
    std::fs::write(at("real/deep/a.parquet"), "a").unwrap();
    std::os::unix::fs::symlink(outside.path(), at("real/folder")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.parquet"), at("real/file.parquet")).unwrap();
    std::os::unix::fs::symlink(folder.path(), at("real/loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("real/broken")).unwrap();

    let store = LocalStore::try_new(folder.path()).unwrap();
    assert_eq!(names(&store, None).await, ["real/deep/a.parquet"]);
    assert_eq!(names(&store, Some("real/deep")).await, ["real/deep/a.parquet"]);
    assert!(names(&store, Some("real/folder")).await.is_empty());
    for path in ["real/folder/secret.parquet", "real/file.parquet"] {
        assert!(
            matches!(store.get(&Path::from(path)).await, Err(Error::NotFound { .. })),
            "{path}"
        );
        assert!(
            matches!(
                store.get_range(&Path::from(path), 0..1).await,
                Err(Error::NotFound { .. })
            ),
            "{path}"
        );
        assert!(
            matches!(
                store
                    .get_ranges(&Path::from(path), std::slice::from_ref(&FIRST))
                    .await,
                Err(Error::NotFound { .. })
            ),
            "{path}"
        );
    }
    let listed = store
        .list_with_delimiter(Some(&Path::from("real")))
        .await
        .unwrap();
    assert_eq!(listed.common_prefixes, [Path::from("real/deep")]);
    assert!(listed.objects.is_empty());
}

#[tokio::test]
async fn ranges_are_those_of_the_library_and_never_shorter() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "0123456789").unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let (ours, library) = (
        LocalStore::try_new(folder.path()).unwrap(),
        LocalFileSystem::new_with_prefix(folder.path()).unwrap(),
    );
    let ranges = [3..7, 0..1, 5..5, 0..10];
    let path = Path::from("a");
    assert_eq!(
        ours.get_ranges(&path, &ranges).await.unwrap(),
        library.get_ranges(&path, &ranges).await.unwrap()
    );
    let error = ours.get_ranges(&path, &[0..1, 8..12]).await.unwrap_err();
    assert!(error.to_string().contains("ends at 10, before 12"), "{error}");
    let gone = Path::from("b");
    assert!(matches!(
        ours.get_ranges(&gone, std::slice::from_ref(&FIRST)).await,
        Err(Error::NotFound { .. })
    ));
    assert!(
        ours.get_ranges(&Path::from("folder"), std::slice::from_ref(&FIRST))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn hostile_names_do_not_break_a_listing() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    for name in [
        &b"line\nbreak"[..],
        b"\xff\xfe",
        b"staged#12",
        b"a%20b *?[x].parquet",
        "größe.parquet".as_bytes(),
    ] {
        std::fs::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    let store = LocalStore::try_new(folder.path()).unwrap();
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(listed.len(), 2);
    // The others are not lost.
    let others = unnameable(folder.path()).unwrap();
    let mut others: Vec<&str> = others.iter().map(|(name, _)| name.as_str()).collect();
    others.sort_unstable();
    assert_eq!(others, [r"\xff\xfe", r"line\nbreak", "staged#12"]);
    for meta in listed {
        let head = store.head(&meta.location).await.unwrap();
        assert_eq!(
            (head.size, head.e_tag, head.last_modified),
            (meta.size, meta.e_tag, meta.last_modified)
        );
        let bytes = store.get(&meta.location).await.unwrap().bytes().await.unwrap();
        assert_eq!(bytes.as_ref(), b"x");
    }
}

#[tokio::test]
async fn create_wins_once_and_leaves_no_staged_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::try_new(folder.path()).unwrap();
    let path = Path::from("deep/er/a.json");
    let create = || PutOptions {
        mode: PutMode::Create,
        ..PutOptions::default()
    };
    let first = store.put_opts(&path, "one".into(), create()).await.unwrap();
    let second = store.put_opts(&path, "two".into(), create()).await;
    assert!(matches!(second, Err(Error::AlreadyExists { .. })));
    assert_eq!(store.head(&path).await.unwrap().e_tag, first.e_tag);
    assert_eq!(names(&store, None).await, ["deep/er/a.json"]);
    assert_eq!(
        store.get(&path).await.unwrap().bytes().await.unwrap().as_ref(),
        b"one"
    );
}

#[tokio::test]
async fn a_pinned_read_is_of_the_version_that_was_listed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.parquet");
    std::fs::write(&file, "first").unwrap();
    let store = LocalStore::try_new(folder.path()).unwrap();
    let path = Path::from("a.parquet");
    let listed = store.head(&path).await.unwrap();
    let pinned = || GetOptions {
        if_match: listed.e_tag.clone(),
        range: Some((1..3).into()),
        ..GetOptions::default()
    };
    let read = store.get_opts(&path, pinned()).await.unwrap();
    assert_eq!(read.bytes().await.unwrap().as_ref(), b"ir");
    // In its place, and into it.
    std::fs::write(folder.path().join("b"), "other").unwrap();
    std::fs::rename(folder.path().join("b"), &file).unwrap();
    let read = store.get_opts(&path, pinned()).await;
    assert!(matches!(read, Err(Error::Precondition { .. })));

    let opened = GetResult {
        payload: GetResultPayload::File(File::open(&file).unwrap(), file.clone()),
        meta: store.head(&path).await.unwrap(),
        range: 0..5,
        attributes: object_store::Attributes::new(),
    };
    std::fs::write(&file, "longer").unwrap();
    assert!(matches!(unwritten(opened).await, Err(Error::Precondition { .. })));
}

#[tokio::test]
async fn uploads_that_died_are_removed_when_they_are_old() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("data/t");
    std::fs::create_dir_all(&below).unwrap();
    for name in ["a.parquet#1", "a.parquet", "b#x"] {
        std::fs::write(below.join(name), "x").unwrap();
    }
    let hour = 3_600_000_000;
    let now = SystemClock.now();
    assert_eq!(stale_staged(folder.path(), now, hour).unwrap(), 0);
    assert_eq!(stale_staged(folder.path(), now + 2 * hour, hour).unwrap(), 1);
    let mut left: Vec<_> = std::fs::read_dir(&below)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["a.parquet", "b#x"]);
    assert_eq!(
        stale_staged(&folder.path().join("nowhere"), now, hour).unwrap(),
        0
    );
}

#[tokio::test]
async fn a_folder_that_is_away_has_no_listing_and_is_not_made_again() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("lake");
    std::fs::create_dir(&folder).unwrap();
    let store = LocalStore::try_new(&folder).unwrap();
    store.put(&Path::from("shop/a"), "a".into()).await.unwrap();
    std::fs::rename(&folder, above.path().join("away")).unwrap();

    let lease = Path::from("_perennial/leases/1.json");
    let create = PutOptions {
        mode: PutMode::Create,
        ..PutOptions::default()
    };
    assert!(store.put(&lease, "b".into()).await.is_err());
    assert!(store.put_opts(&lease, "b".into(), create).await.is_err());
    assert!(store.put_multipart(&lease).await.is_err());
    assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
    assert!(
        store
            .list(Some(&Path::from("shop")))
            .try_collect::<Vec<_>>()
            .await
            .is_err()
    );
    assert!(store.list_with_delimiter(None).await.is_err());
    assert!(!folder.exists());

    std::fs::rename(above.path().join("away"), &folder).unwrap();
    assert_eq!(names(&store, None).await, ["shop/a"]);
}

#[tokio::test]
async fn without_the_folder_no_single_file_is_to_blame() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, away) = (parent.path().join("lake"), parent.path().join("away"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a"), "x").unwrap();
    let store = LocalStore::try_new(&folder).unwrap();
    let path = Path::from("a");
    let create = || PutOptions {
        mode: PutMode::Create,
        ..PutOptions::default()
    };
    let mut upload = store.put_multipart(&Path::from("b")).await.unwrap();
    std::fs::rename(&folder, &away).unwrap();
    let failures = [
        ("read", store.get(&path).await.map(drop)),
        ("read", store.head(&path).await.map(drop)),
        (
            "read",
            store
                .get_ranges(&path, std::slice::from_ref(&FIRST))
                .await
                .map(drop),
        ),
        ("list", store.list(None).try_collect::<Vec<_>>().await.map(drop)),
        ("list", store.list_with_delimiter(None).await.map(drop)),
        ("write", store.put(&path, "x".into()).await.map(drop)),
        (
            "write",
            store.put_opts(&path, "x".into(), create()).await.map(drop),
        ),
        ("write", upload.complete().await.map(drop)),
    ];
    for (operation, failure) in failures {
        let error = crate::Error::store(operation, "a", &failure.unwrap_err());
        assert_eq!(
            error.to_string(),
            format!("cannot {operation} \"a\": the folder of the lake is not there")
        );
    }
    assert!(!folder.exists(), "nothing is written in its place");
    std::fs::rename(&away, &folder).unwrap();
    store.get(&path).await.unwrap();
    std::fs::remove_file(folder.join("a")).unwrap();
    let gone = store.get(&path).await.unwrap_err();
    assert!(matches!(
        crate::Error::store("read", "a", &gone),
        crate::Error::NotFound { .. }
    ));
}
