//! Files of reference tables: no mapping reads them, so they are read to their end when they are admitted.

use std::panic::AssertUnwindSafe;

use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use datafusion::physical_plan::execute_stream;
use futures::{FutureExt, StreamExt};
use perennial_engine::Engine;
use perennial_engine::provider::with_views;
use perennial_lake::{Bounds, FileFacts, Inspection, Landed, Rejection, SourceFile};

use crate::bounded::Unpacked;
use crate::error::Result;
use crate::reader::{UNDECODABLE, described, elsewhere, is_of_the_file, miscounted};
use crate::records::one_file;

/// The verdict on a file that is fine as far as it was looked into; its bounds are those of its values then.
pub(crate) async fn read(
    engine: &Engine,
    state: &SessionState,
    landed: &Landed,
    facts: FileFacts,
) -> Result<Inspection> {
    let file = SourceFile {
        path: landed.path.clone(),
        size: landed.size,
        e_tag: landed.e_tag.clone(),
        last_modified: landed.last_modified,
        landed: facts.rows,
        ..SourceFile::default()
    };
    let table = one_file(engine, &with_views(&facts.schema), &[], &file)?;
    let plan = table.scan(state, None, &[], None).await?;
    let mut stream = execute_stream(plan, state.task_ctx())?;
    let (mut bounds, mut rows) = (Bounds::default(), 0);
    let mut unpacked = Unpacked::new(landed.size);
    loop {
        // Bytes that make a decoder panic are bytes that cannot be decoded.
        let Ok(next) = AssertUnwindSafe(stream.next()).catch_unwind().await else {
            return Ok(Err(Rejection::new(UNDECODABLE).of_rows(facts.rows)));
        };
        match next {
            Some(Ok(batch)) => {
                rows += batch.num_rows() as u64;
                if let Err(rejection) = unpacked.take(&batch) {
                    return Ok(Err(rejection.of_rows(facts.rows)));
                }
                bounds.take(&batch);
            }
            Some(Err(error)) if is_of_the_file(&error) => {
                let reason = format!("{UNDECODABLE}: {}", described(error));
                return Ok(Err(Rejection::new(reason).of_rows(facts.rows)));
            }
            Some(Err(error)) => return Err(elsewhere(&landed.path, error)),
            None => break,
        }
    }
    Ok(match miscounted(rows, facts.rows) {
        Some(reason) => Err(Rejection::new(reason).of_rows(facts.rows)),
        None => Ok(FileFacts {
            stats: bounds.finish(),
            ..facts
        }),
    })
}
