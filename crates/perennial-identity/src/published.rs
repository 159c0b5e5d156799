//! Every customer id that was ever published, and what became of it.

use std::cmp::Ordering;
use std::sync::Arc;

use hashbrown::{HashMap, HashTable};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::{CustomerId, Error};

/// An id that was published at some time. An id is never forgotten: it is current, or leads to a current one in one
/// hop, or is recorded as gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedId {
    /// The id.
    pub id: CustomerId,
    /// The snapshot that published it first.
    pub minted_snapshot: u64,
    /// The source of its founding record: the earliest record of the customer when the id was minted.
    pub founding_source: Arc<str>,
    /// The time of the founding record, in microseconds since 1970.
    pub founding_at: i64,
    /// The founding record's [`record_hash`], or its [`place_hash`] in a source without keys. The key itself is not kept:
    /// it may tell who the person is.
    pub founding_hash: u128,
    /// What became of it.
    pub fate: Fate,
    /// Since when, in microseconds since 1970: the moment of the snapshot that recorded its fate.
    pub fate_at: i64,
}

/// What happened to a published id in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The id: the surviving one of a merge, the one on its own of a split.
    pub customer: CustomerId,
    /// The other: the retired one of a merge, the one that it was a part of before a split.
    pub other: Option<CustomerId>,
}

/// The kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ChangeKind {
    /// The other id leads to the customer from now on.
    Merged,
    /// The customer was a part of the other and is none any more: an id that has led to the other is current again, or
    /// a new one has been made for a part; or a person's word has taken a record of the other, and the customer has it.
    Split,
    /// Nothing of the customer is left.
    Gone,
    /// A customer who was gone is there again.
    Returned,
}

/// What became of a published id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A customer has it.
    Current,
    /// Its customer became part of another, or is known under an older id again.
    Redirected {
        /// The current id that stands for it.
        to: CustomerId,
        /// The snapshot since which it leads there.
        snapshot: u64,
    },
    /// Nothing of its customer is left that identifies anybody.
    Gone {
        /// The snapshot that recorded it.
        snapshot: u64,
    },
}

/// All ids ever published, as the previous snapshot left them; empty for the first run.
#[derive(Debug, Clone, Default)]
pub struct PreviousIds {
    ids: Vec<PublishedId>,
    by_id: HashMap<CustomerId, u32>,
    by_founder: HashTable<u32>,
}

/// The hash that stands for a record: `xxh3_128` of the source's name, a zero byte and the record key.
pub fn record_hash(source: &str, key: &str) -> u128 {
    salted_record_hash(source, key, 0)
}

/// As [`record_hash`]; a salt above 0 is hashed in front, for a customer whose id would be that of another.
pub(crate) fn salted_record_hash(source: &str, key: &str, salt: u32) -> u128 {
    // One stretch of bytes is hashed in a tenth of the time that pieces take. Nearly all fit without an allocation.
    let salt = salt.to_le_bytes();
    let salt = if salt == [0; 4] { &[][..] } else { &salt };
    let pieces = [salt, source.as_bytes(), &[0], key.as_bytes()];
    let length = pieces.iter().map(|piece| piece.len()).sum();
    let mut room = [0; 128];
    match room.get_mut(..length) {
        Some(mut rest) => {
            for piece in pieces {
                let (here, behind) = rest.split_at_mut(piece.len());
                here.copy_from_slice(piece);
                rest = behind;
            }
            xxh3_128(&room[..length])
        }
        None => xxh3_128(&pieces.concat()),
    }
}

/// The hash that stands for a record without a key, which is known by its place and by what it says: `xxh3_128` of the
/// source's name, the place, the time and the identifiers by type name and value, in this order. Another record that
/// comes to stand at the place has another hash.
pub fn place_hash(source: &str, place: &str, time: i64, identifiers: &[(&str, &str)]) -> u128 {
    let mut identifiers = identifiers.to_vec();
    identifiers.sort_unstable();
    salted_place_hash(source, place, time, &identifiers, 0)
}

/// As [`place_hash`], of sorted identifiers; a salt above 0 is hashed in front.
pub(crate) fn salted_place_hash(
    source: &str,
    place: &str,
    time: i64,
    identifiers: &[(&str, &str)],
    salt: u32,
) -> u128 {
    let mut hasher = Xxh3::new();
    if salt > 0 {
        hasher.update(&salt.to_le_bytes());
    }
    let texts = [source, place].into_iter();
    for text in texts.chain(identifiers.iter().flat_map(|(name, value)| [*name, *value])) {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(&time.to_le_bytes());
    hasher.digest128()
}

impl PublishedId {
    /// The order of age, oldest first: publishing snapshot, founding time, source, record hash. The hash stands for the
    /// record key, which is not kept.
    pub(crate) fn age_order(&self, other: &Self) -> Ordering {
        (
            self.minted_snapshot,
            self.founding_at,
            &self.founding_source,
            self.founding_hash,
            self.id,
        )
            .cmp(&(
                other.minted_snapshot,
                other.founding_at,
                &other.founding_source,
                other.founding_hash,
                other.id,
            ))
    }
}

impl PreviousIds {
    /// Takes the ids as [`crate::Resolution::ids`] gave them, in any order.
    ///
    /// # Errors
    /// An id that stands twice, a redirect that does not lead to a current id, more ids than 32 bits count.
    pub fn try_new(ids: Vec<PublishedId>) -> Result<Self, Error> {
        let count = u32::try_from(ids.len())
            .ok()
            .filter(|count| *count < u32::MAX)
            .ok_or(Error::TooMany {
                what: "published customer ids",
            })?;
        let mut by_id = HashMap::with_capacity(ids.len());
        let mut by_founder = HashTable::with_capacity(ids.len());
        for (number, published) in (0..count).zip(&ids) {
            if by_id.insert(published.id, number).is_some() {
                return Err(Error::DuplicatePublishedId {
                    id: published.id.to_string(),
                });
            }
            by_founder.insert_unique(founder_bucket(published.founding_hash), number, |other: &u32| {
                founder_bucket(ids[*other as usize].founding_hash)
            });
        }
        for published in &ids {
            if let Fate::Redirected { to, .. } = published.fate
                && !by_id
                    .get(&to)
                    .is_some_and(|target: &u32| ids[*target as usize].fate == Fate::Current)
            {
                return Err(Error::BrokenRedirect {
                    id: published.id.to_string(),
                    to: to.to_string(),
                });
            }
        }
        Ok(Self {
            ids,
            by_id,
            by_founder,
        })
    }

    /// Whether no id was ever published.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// How many ids were ever published.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn as_slice(&self) -> &[PublishedId] {
        &self.ids
    }

    pub(crate) fn into_vec(self) -> Vec<PublishedId> {
        self.ids
    }

    pub(crate) fn number_of(&self, id: CustomerId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// The ids that the record with this hash founded: one, save for a registry that was written by hand.
    pub(crate) fn founded_by(&self, founding_hash: u128) -> impl Iterator<Item = u32> {
        self.by_founder
            .iter_hash(founder_bucket(founding_hash))
            .copied()
            .filter(move |number| self.ids[*number as usize].founding_hash == founding_hash)
    }
}

/// A hash of a hash: its lower half is as good as any.
fn founder_bucket(founding_hash: u128) -> u64 {
    founding_hash as u64
}
