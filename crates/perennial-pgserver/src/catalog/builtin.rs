//! What PostgreSQL 15 has built in: the rows of its catalogs, and its types and support functions by name and OID.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The role that owns everything that nobody made: PostgreSQL's bootstrap superuser.
pub(crate) const OWNER: i64 = 10;
/// The schema `pg_catalog`.
pub(crate) const PG_CATALOG_OID: i64 = 11;
/// The schema `public`.
pub(crate) const PUBLIC_OID: i64 = 2200;
/// The role that owns the schema `public`, whoever owns the database.
pub(crate) const DATABASE_OWNER: (i64, &str) = (6171, "pg_database_owner");
/// The schema `information_schema` as the release in the list of relations numbers it.
pub(crate) const INFORMATION_SCHEMA_OID: i64 = 13_207;
/// The pseudo-type of an argument that can be anything.
pub(crate) const ANY: i64 = 2276;
/// The pseudo-type of a row.
pub(crate) const RECORD: i64 = 2249;
/// The type `text`.
pub(crate) const TEXT: i64 = 25;

/// One row of `pg_type`.
#[derive(Debug)]
pub(crate) struct BuiltinType {
    /// Its identifier.
    pub(crate) oid: i64,
    /// Its name.
    pub(crate) name: &'static str,
    /// The schema it belongs to.
    pub(crate) namespace: i64,
    /// Bytes of a value, -1 when they vary.
    pub(crate) length: i64,
    /// Whether a value is passed by value.
    pub(crate) by_value: bool,
    /// Base, domain, pseudo, range or multirange.
    pub(crate) kind: &'static str,
    /// The type of the elements, 0 where there are none.
    pub(crate) element: i64,
    /// Whether it is an array; the vectors of the catalog are none, as they cannot be null within.
    pub(crate) array: bool,
    /// The array over it, 0 where there is none.
    pub(crate) array_type: i64,
    /// `c`, `s`, `i` or `d`: how a value is aligned.
    pub(crate) align: &'static str,
    /// `p`, `m`, `x` or `e`: how a value is stored.
    pub(crate) storage: &'static str,
    /// The modifier that a domain puts on its base, else -1.
    pub(crate) modifier: i64,
    /// The collation of its values, 0 where there is none.
    pub(crate) collation: i64,
}

/// The built-in rows of a relation of `pg_catalog`, each as the fields of a line of COPY.
pub(crate) fn rows(relation: &str) -> &'static [Vec<&'static str>] {
    ROWS.get(relation).map_or(&[], Vec::as_slice)
}

/// The built-in type of an identifier.
pub(crate) fn type_of(oid: i64) -> Option<&'static BuiltinType> {
    TYPES.by_oid.get(&oid).and_then(|index| TYPES.all.get(*index))
}

/// The built-in type of a name in `pg_type`.
pub(crate) fn type_named(name: &str) -> Option<&'static BuiltinType> {
    TYPES.by_name.get(name).and_then(|index| TYPES.all.get(*index))
}

/// Every built-in type.
pub(crate) fn types() -> &'static [BuiltinType] {
    &TYPES.all
}

/// The name of a built-in function.
pub(crate) fn function_name(oid: i64) -> Option<&'static str> {
    FUNCTIONS.by_oid.get(&oid).copied()
}

/// The built-in function of a name; the one with the lowest identifier where several share it.
pub(crate) fn function_oid(name: &str) -> Option<i64> {
    FUNCTIONS.by_name.get(name).copied()
}

/// The name of an operator and the types of its sides, 0 where it has none.
pub(crate) fn operator(oid: i64) -> Option<(&'static str, i64, i64)> {
    OPERATORS.get(&oid).copied()
}

/// The operator that compares two values of a type for equality; 0 where there is none.
pub(crate) fn equality(type_oid: i64) -> i64 {
    EQUALITY.get(&comparable(type_oid)).copied().unwrap_or_default()
}

/// The class of operators that orders the values of a type in a b-tree; that of arrays or of text for the rest.
pub(crate) fn operator_class(type_oid: i64) -> i64 {
    let type_oid = comparable(type_oid);
    let any_array = 2277;
    let of = |oid: i64| ORDER.get(&oid).copied();
    let general = if type_of(type_oid).is_some_and(|built_in| built_in.array) {
        any_array
    } else {
        TEXT
    };
    of(type_oid).or_else(|| of(general)).unwrap_or_default()
}

/// `varchar` has neither operators nor operator classes of its own: it borrows those of `text`.
fn comparable(type_oid: i64) -> i64 {
    let varchar = 1043;
    if type_oid == varchar { TEXT } else { type_oid }
}

static ROWS: LazyLock<HashMap<&'static str, Vec<Vec<&'static str>>>> = LazyLock::new(|| {
    let mut relations: HashMap<&str, Vec<Vec<&str>>> = HashMap::new();
    let mut relation = "";
    for line in include_str!("postgres15/rows.tsv").lines() {
        match line.strip_prefix("# ") {
            Some(name) => relation = name,
            None if relation.is_empty() => {}
            None => relations
                .entry(relation)
                .or_default()
                .push(line.split('\t').collect()),
        }
    }
    relations
});

struct Types {
    all: Vec<BuiltinType>,
    by_oid: HashMap<i64, usize>,
    by_name: HashMap<&'static str, usize>,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let all: Vec<BuiltinType> = rows("pg_type")
        .iter()
        .filter_map(|row| BuiltinType::parse(row))
        .collect();
    let by_oid = all
        .iter()
        .enumerate()
        .map(|(index, entry)| (entry.oid, index))
        .collect();
    let by_name = all
        .iter()
        .enumerate()
        .map(|(index, entry)| (entry.name, index))
        .collect();
    Types { all, by_oid, by_name }
});

/// The function that gives the elements of an array.
const ARRAY_SUBSCRIPT_HANDLER: i64 = 6179;

impl BuiltinType {
    /// Whether a value is a list of others: an array or a vector.
    pub(crate) fn is_list(&self) -> bool {
        self.element != 0 && self.length == -1
    }

    /// Reads a row of `pg_type`, whose columns are those of PostgreSQL 15 in order.
    fn parse(row: &[&'static str]) -> Option<Self> {
        let number = |index: usize| row.get(index).and_then(|text| text.parse::<i64>().ok());
        let text = |index: usize| row.get(index).copied();
        Some(Self {
            oid: number(0)?,
            name: text(1)?,
            namespace: number(2)?,
            length: number(4)?,
            by_value: text(5)? == "t",
            kind: text(6)?,
            element: number(13)?,
            array: number(12)? == ARRAY_SUBSCRIPT_HANDLER && text(23)? != "p",
            array_type: number(14)?,
            align: text(22)?,
            storage: text(23)?,
            modifier: number(26)?,
            collation: number(28)?,
        })
    }
}

struct Functions {
    by_oid: HashMap<i64, &'static str>,
    /// The lowest identifier of each name.
    by_name: HashMap<&'static str, i64>,
}

static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
    let read = |row: &Vec<&'static str>| Some((row.first()?.parse().ok()?, *row.get(1)?));
    let mut functions: Vec<(i64, &str)> = rows("pg_proc").iter().filter_map(read).collect();
    functions.sort_unstable_by(|one, other| other.cmp(one));
    let by_name = functions.iter().map(|(oid, name)| (*name, *oid)).collect();
    Functions {
        by_oid: functions.into_iter().collect(),
        by_name,
    }
});

/// Columns 0, 1, 7 and 8 of `pg_operator` are identifier, name, left and right type.
static OPERATORS: LazyLock<HashMap<i64, (&'static str, i64, i64)>> = LazyLock::new(|| {
    let number = |row: &Vec<&'static str>, place: usize| row.get(place)?.parse::<i64>().ok();
    let operators = rows("pg_operator").iter();
    operators
        .filter_map(|row| Some((number(row, 0)?, (*row.get(1)?, number(row, 7)?, number(row, 8)?))))
        .collect()
});

/// Type to its `=` operator: columns 1, 7, 8 and 0 of `pg_operator` are name, left and right type and identifier.
static EQUALITY: LazyLock<HashMap<i64, i64>> = LazyLock::new(|| {
    let operators = rows("pg_operator").iter();
    let equal = operators.filter(|row| row.get(1) == Some(&"=") && row.get(7) == row.get(8));
    equal
        .filter_map(|row| Some((row.get(7)?.parse().ok()?, row.first()?.parse().ok()?)))
        .collect()
});

/// Type to its default b-tree class: columns 1, 6 and 0 of `pg_opclass` are method, type and identifier.
static ORDER: LazyLock<HashMap<i64, i64>> = LazyLock::new(|| {
    let classes = rows("pg_opclass").iter().filter(|row| row.get(1) == Some(&"403"));
    classes
        .filter_map(|row| Some((row.get(6)?.parse().ok()?, row.first()?.parse().ok()?)))
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::shape::Shape;

    #[test]
    fn every_row_has_every_column_of_its_relation() {
        for (relation, rows) in ROWS.iter() {
            let shape = Shape::of("pg_catalog", relation).unwrap();
            for row in rows {
                assert_eq!(row.len(), shape.columns.len(), "{relation} {row:?}");
            }
        }
        assert_eq!(ROWS.len(), 12);
    }

    #[test]
    fn types_and_their_arrays_name_each_other() {
        for entry in types().iter().filter(|entry| entry.array_type != 0) {
            let array = type_of(entry.array_type).unwrap();
            assert_eq!((array.element, array.array), (entry.oid, true), "{}", entry.name);
        }
        assert_eq!(
            type_named("int4").map(|entry| (entry.oid, entry.array_type)),
            Some((23, 1007))
        );
        assert_eq!(
            type_named("_text").map(|entry| (entry.element, entry.array)),
            Some((25, true))
        );
        assert_eq!(type_named("oidvector").map(|entry| entry.oid), Some(30));
    }

    #[test]
    fn keys_find_the_operators_that_postgres_uses() {
        assert_eq!((equality(23), equality(TEXT), equality(1043)), (96, 98, 98));
        assert_eq!((operator_class(23), operator_class(1009)), (1978, 10_000));
    }
}
