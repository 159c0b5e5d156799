//! The relations about identities.

use super::ColumnType::{Int, Text, TextList, Timestamp};
use super::{CUSTOMER_ID, Column, PUBLIC, RECORD_KEY, Relation, SOURCE, TIME, not_null, null};

/// The columns of a link.
const SOURCE_A: Column = not_null("source_a", Text, "Source of the earlier record");
const RECORD_A: Column = not_null("record_a", Text, "Key of the earlier record");
const SOURCE_B: Column = not_null("source_b", Text, "Source of the later record");
const SHARED_TYPE: Column = null("type", Text, "Type of the identifier shared");
const SHARED_VALUE: Column = null("value", Text, "The value shared, normalised");

pub(super) const IDENTITIES: Relation = Relation {
    schema: PUBLIC,
    name: "identities",
    comment: "One row per identifier value: whom it names",
    columns: &[
        CUSTOMER_ID,
        not_null("type", Text, "Type of the identifier"),
        not_null("value", Text, "The value, normalised"),
        not_null("first_seen_at", Timestamp, "Time of the earliest record with it"),
        not_null("last_seen_at", Timestamp, "Time of the latest record with it"),
        not_null("sources", TextList, "Sources that it came from"),
        not_null(
            "records",
            Int,
            "Records with it; the versions of a record are one",
        ),
        not_null(
            "valid_from",
            Timestamp,
            "Since when it names this customer_id: the moment of the snapshot; before, see identity_history",
        ),
        not_null("snapshot", Int, "That snapshot"),
    ],
    primary_key: &["type", "value"],
    sort: &["type", "value"],
    person: true,
};

pub(super) const IDENTITY_HISTORY: Relation = Relation {
    schema: PUBLIC,
    name: "identity_history",
    comment: "One row per time in which an identifier value named a customer_id and does no more",
    columns: &[
        CUSTOMER_ID,
        not_null("type", Text, "Type of the identifier"),
        not_null("value", Text, "The value, normalised"),
        not_null("valid_from", Timestamp, "Since when it named this customer_id"),
        not_null("valid_to", Timestamp, "Until when"),
        not_null("from_snapshot", Int, "The first snapshot in which it did"),
        not_null("to_snapshot", Int, "The first snapshot in which it did no more"),
    ],
    primary_key: &[],
    sort: &["type", "value", "valid_from"],
    person: true,
};

pub(super) const IDENTITY_LINKS: Relation = Relation {
    schema: PUBLIC,
    name: "identity_links",
    comment: "One row per pair of records joined: why they are one person",
    columns: &[
        CUSTOMER_ID,
        SOURCE_A,
        RECORD_A,
        SOURCE_B,
        null(
            "record_b",
            Text,
            "Key of the later record; null for all of the source with the same identifiers as record a",
        ),
        not_null(
            "reason",
            Text,
            "shared_identifier; equal_identifiers: of one source with the same identifiers; override: a person says that they are one",
        ),
        SHARED_TYPE,
        SHARED_VALUE,
        not_null(
            "linked_at",
            Timestamp,
            "From when on the two are known to be one: the later record's time, or when the person said so",
        ),
        not_null(
            "records",
            Int,
            "Records for which record b stands, all of its source with the same identifiers; of equal_identifiers, all of them",
        ),
        not_null(
            "valid_from",
            Timestamp,
            "Since when this is told: the moment of the snapshot; before, see identity_link_history",
        ),
        not_null("snapshot", Int, "That snapshot"),
    ],
    primary_key: &[],
    sort: &["linked_at"],
    person: true,
};

pub(super) const IDENTITY_LINK_HISTORY: Relation = Relation {
    schema: PUBLIC,
    name: "identity_link_history",
    comment: "One row per time in which identity_links told a pair of records as joined, and does no more",
    columns: &[
        CUSTOMER_ID,
        SOURCE_A,
        RECORD_A,
        SOURCE_B,
        null("record_b", Text, "Key of the later record, as in identity_links"),
        not_null("reason", Text, "As in identity_links"),
        SHARED_TYPE,
        SHARED_VALUE,
        not_null("valid_from", Timestamp, "Since when it was told"),
        not_null("valid_to", Timestamp, "Until when"),
        not_null("from_snapshot", Int, "The first snapshot that told it"),
        not_null("to_snapshot", Int, "The first snapshot that did no more"),
    ],
    primary_key: &[],
    sort: &["valid_from"],
    person: true,
};

pub(super) const PROFILES: Relation = Relation {
    schema: PUBLIC,
    name: "profiles",
    comment: "One row per record of a source of profiles: which customer it is",
    columns: &[
        CUSTOMER_ID,
        RECORD_KEY,
        TIME,
        not_null(
            "updated_at",
            Timestamp,
            "When the newest version of it became true",
        ),
        SOURCE,
    ],
    primary_key: &["source", "record_key"],
    sort: &["time"],
    person: true,
};

pub(super) const IDENTITY_REDIRECTS: Relation = Relation {
    schema: PUBLIC,
    name: "identity_redirects",
    comment: "One row per retired customer_id: which one it became",
    columns: &[
        not_null("retired_customer_id", Text, "The id that was published before"),
        null(
            "customer_id",
            Text,
            "The current id; null when all records of the customer are gone",
        ),
        not_null("snapshot", Int, "Snapshot in which it was retired"),
        not_null("retired_at", Timestamp, "When that was"),
    ],
    primary_key: &["retired_customer_id"],
    sort: &["retired_customer_id"],
    person: false,
};

pub(super) const IDENTITY_CHANGES: Relation = Relation {
    schema: PUBLIC,
    name: "identity_changes",
    comment: "One row per change of what a published customer_id stands for; rows are only ever added",
    columns: &[
        not_null("snapshot", Int, "Snapshot that recorded it"),
        not_null("changed_at", Timestamp, "When that was"),
        not_null(
            "change",
            Text,
            "merged: the other id leads to this one; split: this one was a part of the other; gone: nothing of the \
             customer is left; returned: there is something again",
        ),
        not_null(
            "customer_id",
            Text,
            "The id as it was or became then; see identity_redirects",
        ),
        null("other_customer_id", Text, "The other id of a merge or split"),
        null(
            "cause",
            Text,
            "What made the snapshot differ from the one before: new files, replaced files, removed files (or \
             quarantined ones), override (a person's word) or configuration (or another version of the program), joined \
             by commas where it was more than one. identity_links has the links of the same snapshot",
        ),
    ],
    primary_key: &[],
    sort: &["snapshot"],
    person: false,
};
