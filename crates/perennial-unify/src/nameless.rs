//! Files of a local lake that no object of a store can be called like: they are told of, and not served.

use perennial_lake::{Lake, Landed, SETTLING_GRACE, unnameable, upload_of};

use crate::error::Result;

/// Why a file is left out that no object can be named after.
const UNNAMEABLE: &str = "its name has a control character, such as a line break, or is not UTF-8 (shown as \\n or \\xff), and no object of a store can be called so: rename it";
/// Why a file is left out whose name the library reserves.
const RESERVED: &str =
    "names that end in # and digits are those of uploads under way, and this one has come to rest: rename it";

/// The Parquet files of which a listing of a local lake has none, each with the reason, but for uploads under way.
pub(crate) async fn nameless(lake: &Lake, now: i64) -> Result<Vec<(Landed, &'static str)>> {
    let files = unnameable(lake).await?.into_iter();
    let told = files.filter_map(|file| {
        let (name, reason) = match upload_of(&file.path) {
            Some(_) if now.saturating_sub(file.last_modified) < SETTLING_GRACE => return None,
            Some(name) => (name, RESERVED),
            None => (file.path.as_str(), UNNAMEABLE),
        };
        name.ends_with(".parquet").then(|| (file.clone(), reason))
    });
    Ok(told.collect())
}
