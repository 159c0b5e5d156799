//! A manifest as bytes: JSON, packed into a JSON document that says what it is.
//!
//! A lake of a thousand files has bounds of a hundred thousand columns, most of them alike. Packed they are a tenth, and are
//! read when a process starts and whenever garbage is collected. The document around them stays JSON, so that an earlier
//! version of this program says which format it met, and not that the snapshot is damaged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::manifest::Manifest;

/// Denser levels gain a few percent for a multiple of the time.
const LEVEL: i32 = 3;

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    format: u32,
    number: u64,
    /// The manifest as JSON, packed by Zstandard, in base64. Without it the document is the manifest, as in format 1.
    zstd: Option<String>,
}

/// The bytes of a manifest, in the newest format.
pub(crate) fn encode(manifest: &Manifest) -> std::result::Result<Vec<u8>, String> {
    let json = serde_json::to_vec(manifest).map_err(|error| error.to_string())?;
    let packed = zstd::encode_all(json.as_slice(), LEVEL).map_err(|error| error.to_string())?;
    let document = Document {
        format: manifest.format,
        number: manifest.number,
        zstd: Some(STANDARD.encode(packed)),
    };
    serde_json::to_vec(&document).map_err(|error| error.to_string())
}

/// The manifest of a snapshot's document, of this format or of an earlier one.
pub(crate) fn decode(number: u64, bytes: &[u8]) -> Result<Manifest> {
    let damaged = |reason: String| Error::DamagedSnapshot { number, reason };
    let parse =
        |error: serde_json::Error| damaged(format!("line {}, column {}", error.line(), error.column()));
    let document: Document = serde_json::from_slice(bytes).map_err(parse)?;
    if document.format > Manifest::FORMAT {
        return Err(Error::NewerFormat {
            number,
            format: document.format,
            newest: Manifest::FORMAT,
        });
    }
    let of_another = |said: u64| damaged(format!("it says that it is number {said}"));
    if document.number != number {
        return Err(of_another(document.number));
    }
    let found: Manifest = match document.zstd {
        None => serde_json::from_slice(bytes).map_err(parse)?,
        Some(packed) => {
            let packed = STANDARD
                .decode(packed)
                .map_err(|_| damaged("its packed part is cut".to_owned()))?;
            let json = zstd::decode_all(packed.as_slice())
                .map_err(|_| damaged("its packed part cannot be read".to_owned()))?;
            serde_json::from_slice(&json).map_err(parse)?
        }
    };
    match found.number == number {
        true => Ok(found),
        false => Err(of_another(found.number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{ColumnStats, DataFile, Scalar};

    /// A snapshot as version 0.1 wrote it.
    const FIRST: &str = r#"{"format":1,"number":3,"parent":2,"committed_at":"2026-11-20T10:00:00Z","writer":"w","config_hash":"c",
        "tables":{},"sources":{},"models":{},"erasure_epoch":0,"run":RUN}"#;

    fn large() -> Manifest {
        let mut manifest = Manifest::successor(None, "w", "c");
        let file = |number: i64| DataFile {
            path: format!("_perennial/data/events/all-{number}.parquet"),
            rows: 1_000,
            columns: (0..20)
                .map(|column| ColumnStats {
                    name: format!("column_{column}"),
                    min: Some(Scalar::Int(number)),
                    max: Some(Scalar::Text(format!("value {}", number * 7_919))),
                    nulls: Some(0),
                    distinct: None,
                })
                .collect(),
            ..DataFile::default()
        };
        manifest.tables.entry("t".into()).or_default().files = (0..1_000).map(file).collect();
        manifest
    }

    #[test]
    fn a_packed_manifest_is_the_same_and_a_fraction_as_large() {
        let manifest = large();
        let bytes = encode(&manifest).unwrap();
        assert_eq!(decode(1, &bytes).unwrap(), manifest);
        let json = serde_json::to_vec(&manifest).unwrap();
        assert!(bytes.len() * 5 < json.len(), "{} of {}", bytes.len(), json.len());
    }

    #[test]
    fn the_first_format_is_read_and_its_successor_is_of_the_newest() {
        let run = serde_json::to_string(&crate::manifest::RunSummary::default()).unwrap();
        let first = decode(3, FIRST.replace("RUN", &run).as_bytes()).unwrap();
        assert_eq!((first.format, first.number, first.writer.as_str()), (1, 3, "w"));
        let next = Manifest::successor(Some(&first), "x", "c");
        assert_eq!(decode(4, &encode(&next).unwrap()).unwrap(), next);
        assert_eq!(next.format, Manifest::FORMAT);
    }

    #[test]
    fn what_is_damaged_says_so() {
        #[track_caller]
        fn check(bytes: &[u8], reason: &str) {
            assert!(
                matches!(decode(1, bytes), Err(Error::DamagedSnapshot { number: 1, reason: found }) if found == reason)
            );
        }
        check(b"", "line 1, column 0");
        check(br#"{"format":2,"number":1,"zstd":"*"}"#, "its packed part is cut");
        check(
            br#"{"format":2,"number":1,"zstd":"AAAA"}"#,
            "its packed part cannot be read",
        );
        let bytes = encode(&large()).unwrap();
        check(
            &bytes[..bytes.len() / 2],
            &format!("line 1, column {}", bytes.len() / 2),
        );
        let other = encode(&Manifest { number: 7, ..large() }).unwrap();
        check(&other, "it says that it is number 7");
        assert!(matches!(
            decode(1, br#"{"format":9,"number":1}"#),
            Err(Error::NewerFormat { format: 9, .. })
        ));
    }
}
