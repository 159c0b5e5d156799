//! `explain_identity(customer_id)`: why records are one customer, who was kept apart, and what became of the id.
//!
//! # Signature
//! `explain_identity(customer_id text) → table`: the id is a constant or a parameter of the statement.
//! # Shape
//! One row per reason, in no order: `ORDER BY at` gives that of time. None for an id that was never published.
//! # Units
//! `at` is an instant, `records` a number of records, `snapshot` the number of a snapshot.
//! # Definition
//! The customer is the one that the id leads to now, in one hop. Rows that *joined* are those of `identity_links`, rows
//! that were *refused* those of `perennial.identity_conflicts` with the customer on either side, and rows that *changed*
//! those of `identity_changes` with the id or the customer on either side.
//! # Errors
//! Invalid argument for a text, or NULL, that no customer_id can be, and for an argument that is neither a constant nor a parameter; undefined
//! function for another number of arguments.
//! # Cost
//! At most one scan of each relation that is named above, and of `identity_redirects`.
//! # Source
//! Our own.
//! # Example
//! `SELECT * FROM explain_identity('k4vgqpxqtbvmsack')`.

use datafusion::logical_expr::{DocSection, Documentation};
use perennial_base::ErrorClass;

use crate::error::{Error, Result};
use crate::functions::table::{Arguments, Parameter, TableFunction};

/// Its declaration.
pub(crate) const FUNCTION: TableFunction = TableFunction {
    name: "explain_identity",
    parameters: PARAMETERS,
    columns: COLUMNS,
    documentation,
    query,
};

const PARAMETERS: &[Parameter] = &[Parameter {
    name: "customer_id",
    default: None,
    choices: &[],
    expression: false,
    description: "The customer, also by an id that is retired.",
}];

const COLUMNS: &[(&str, &str)] = &[
    (
        "what",
        "joined: two records are one customer's; refused: a join that a limit or a person's word kept from happening; changed: what happened to the id",
    ),
    ("source_a", "Source of the one record"),
    ("record_a", "Key of the one record"),
    ("source_b", "Source of the other record"),
    (
        "record_b",
        "Key of the other record; NULL for all records of the source with the same identifiers as record a",
    ),
    ("records", "Records that record b stands for"),
    (
        "reason",
        "shared_identifier, equal_identifiers or override; limit; merged, split, gone or returned",
    ),
    ("type", "Type of the identifier"),
    ("value", "Value of the identifier"),
    ("at", "Since when, or when"),
    ("snapshot", "First snapshot that has it"),
    (
        "other_customer_id",
        "Customer from whom the record stays apart; the other id of a merge or split",
    ),
];

/// What it gives.
pub(crate) fn documentation() -> Documentation {
    let section = DocSection {
        include: true,
        label: perennial_udf_kit::family::IDENTITY,
        description: None,
    };
    let mut builder = Documentation::builder(
        section,
        "Why records are one customer, one row per reason; ORDER BY at gives them in the order of time. A retired id \
         is followed to the current one. An id that was never published has no rows. The example is of `perennial demo \
         --customers 300`.",
        "explain_identity(customer_id)",
    );
    for parameter in PARAMETERS {
        builder = builder.with_argument(parameter.name, parameter.description);
    }
    builder
        .with_sql_example(
            "```sql\n\
             SELECT reason, source_a, record_a, source_b, record_b, type FROM explain_identity('k4vgqpxqtbvmsack') WHERE at > '2024-01-20' ORDER BY at, type;\n\
             +-------------------+--------------+------------------------------+----------------------+------------------+-------+\n\
             | reason            | source_a     | record_a                     | source_b             | record_b         | type  |\n\
             +-------------------+--------------+------------------------------+----------------------+------------------+-------+\n\
             | shared_identifier | crm_contacts | C00000431                    | support_interactions | 216a06111d15e569 | phone |\n\
             | shared_identifier | consent_log  | consents/2024-0000.parquet:4 | crm_contacts         | C00000431        | email |\n\
             +-------------------+--------------+------------------------------+----------------------+------------------+-------+\n\
             ```",
        )
        .build()
}

fn query(arguments: &Arguments<'_>) -> Result<String> {
    let text = arguments.text("customer_id");
    let written = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z') && !b"ilou".contains(&byte);
    if text.len() != 16 || !text.bytes().all(written) {
        return Err(Error::new(
            ErrorClass::InvalidArgument,
            format!("\"{text}\" is not a customer_id"),
        )
        .with_hint("A customer_id has 16 digits and lower-case letters, as in customers.customer_id."));
    }
    let id = arguments.literal("customer_id");
    Ok(format!(
        "WITH asked AS (SELECT coalesce((SELECT r.customer_id FROM public.identity_redirects r \
           WHERE r.retired_customer_id = {id}), {id}) AS customer_id) \
         SELECT 'joined' AS what, l.source_a, l.record_a, l.source_b, l.record_b, l.records, l.reason, l.type, l.value, \
           l.linked_at AS at, l.snapshot, CAST(NULL AS text) AS other_customer_id \
         FROM public.identity_links l JOIN asked a ON a.customer_id = l.customer_id \
         UNION ALL \
         SELECT 'refused', c.source, c.record_key, NULL, NULL, c.records, c.reason, c.value_type, c.value, \
           c.refused_at, CAST(NULL AS bigint), \
           CASE WHEN c.customer_id = a.customer_id THEN c.other_customer_id ELSE c.customer_id END \
         FROM perennial.identity_conflicts c JOIN asked a ON a.customer_id IN (c.customer_id, c.other_customer_id) \
         UNION ALL \
         SELECT 'changed', NULL, NULL, NULL, NULL, CAST(NULL AS bigint), h.change, NULL, NULL, h.changed_at, h.snapshot, \
           CASE WHEN h.customer_id IN (a.customer_id, {id}) THEN h.other_customer_id ELSE h.customer_id END \
         FROM public.identity_changes h JOIN asked a ON a.customer_id IN (h.customer_id, h.other_customer_id) \
           OR {id} IN (h.customer_id, h.other_customer_id)"
    ))
}
