//! The catalog with identifiers: what `pg_catalog`, `information_schema` and the functions on them are read from.

mod build;

use std::collections::HashMap;

use super::types::ColumnType;

/// The role that owns every object; it cannot log in unless it is also configured.
pub(crate) const OWNER_NAME: &str = "perennial";

/// The catalog that a role sees.
#[derive(Debug)]
pub(crate) struct Model {
    /// The identifier of the database.
    pub(crate) database: i64,
    /// The snapshot described.
    pub(crate) snapshot: u64,
    /// The schemas, the system's first.
    pub(crate) namespaces: Vec<Namespace>,
    /// The relations and indexes, the system's first.
    pub(crate) classes: Vec<Class>,
    /// The keys of relations.
    pub(crate) keys: Vec<Key>,
    /// Functions that are not PostgreSQL's support functions.
    pub(crate) procedures: Vec<Procedure>,
    /// The roles, the owner of everything first.
    pub(crate) roles: Vec<Role>,
    class_by_oid: HashMap<i64, usize>,
    class_by_name: HashMap<(i64, String), usize>,
    class_by_type: HashMap<i64, usize>,
}

/// A schema.
#[derive(Debug)]
pub(crate) struct Namespace {
    pub(crate) oid: i64,
    pub(crate) name: String,
    pub(crate) comment: String,
    /// Whether it is the session's own, which is searched first.
    pub(crate) temporary: bool,
}

/// A relation or index.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) oid: i64,
    pub(crate) name: String,
    /// The schema's identifier and name.
    pub(crate) namespace: i64,
    pub(crate) schema: String,
    /// `r`, `v` or `i`.
    pub(crate) kind: &'static str,
    /// Whether it is one of the system's.
    pub(crate) system: bool,
    /// Whether it is gone with the session.
    pub(crate) temporary: bool,
    /// The row type and the array over it; 0 for an index.
    pub(crate) row_type: i64,
    pub(crate) row_array: i64,
    /// The name of the array type.
    pub(crate) row_array_name: String,
    /// The rewrite rule of a view, else 0.
    pub(crate) rule: i64,
    pub(crate) comment: String,
    pub(crate) columns: Vec<Attribute>,
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) definition: Option<String>,
    /// Position of the primary key among the keys.
    pub(crate) primary_key: Option<usize>,
    /// Whether it has a foreign key or one refers to it, which PostgreSQL watches by triggers: clients ask for foreign
    /// keys where this says that there are some.
    pub(crate) triggers: bool,
}

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    pub(crate) not_null: bool,
    pub(crate) comment: String,
}

/// A primary or foreign key. Classes are positions in [`Model::classes`], columns numbers from 1.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) oid: i64,
    pub(crate) name: String,
    pub(crate) class: usize,
    pub(crate) columns: Vec<i64>,
    /// The index of a primary key, or the one that a foreign key refers to.
    pub(crate) index: Option<usize>,
    /// What a foreign key refers to.
    pub(crate) target: Option<Target>,
}

/// What a foreign key refers to.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) class: usize,
    pub(crate) columns: Vec<i64>,
}

/// A function.
#[derive(Debug)]
pub(crate) struct Procedure {
    pub(crate) oid: i64,
    pub(crate) namespace: i64,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// `f`, `a` or `w`.
    pub(crate) kind: &'static str,
    pub(crate) returns_set: bool,
    pub(crate) result: i64,
    pub(crate) arguments: Vec<i64>,
    /// The arguments' names, as many as there are arguments, or none.
    pub(crate) argument_names: Vec<String>,
    /// Whether the last argument stands for any number of arguments.
    pub(crate) variadic: bool,
    pub(crate) description: String,
}

/// A role.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) oid: i64,
    pub(crate) name: String,
    pub(crate) owner: bool,
    pub(crate) login: bool,
}

impl Model {
    /// The relation or index of an identifier.
    pub(crate) fn class(&self, oid: i64) -> Option<&Class> {
        self.class_by_oid
            .get(&oid)
            .and_then(|index| self.classes.get(*index))
    }

    /// The relation or index of a schema and name.
    pub(crate) fn class_named(&self, namespace: i64, name: &str) -> Option<&Class> {
        self.position(namespace, name)
            .and_then(|index| self.classes.get(index))
    }

    /// The relation whose row type, or the array over it, an identifier names; true for the array.
    pub(crate) fn class_of_type(&self, oid: i64) -> Option<(&Class, bool)> {
        let class = self
            .class_by_type
            .get(&oid)
            .and_then(|index| self.classes.get(*index))?;
        Some((class, class.row_array == oid))
    }

    /// The schema of a name.
    pub(crate) fn namespace(&self, name: &str) -> Option<&Namespace> {
        let named = self.namespaces.iter().find(|namespace| namespace.name == name);
        named.or_else(|| self.temporary().filter(|_| name == "pg_temp"))
    }

    /// The schema of what the session has of its own, if there is something.
    pub(crate) fn temporary(&self) -> Option<&Namespace> {
        self.namespaces.iter().find(|namespace| namespace.temporary)
    }

    /// The role of a name.
    pub(crate) fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// The key of an identifier.
    pub(crate) fn key(&self, oid: i64) -> Option<&Key> {
        self.keys.iter().find(|key| key.oid == oid)
    }

    /// The key that an index serves, with its relation.
    pub(crate) fn key_of_index(&self, oid: i64) -> Option<(&Key, &Class)> {
        let index = self.class_by_oid.get(&oid)?;
        let key = self
            .keys
            .iter()
            .find(|key| key.target.is_none() && key.index == Some(*index))?;
        Some((key, self.classes.get(key.class)?))
    }

    fn position(&self, namespace: i64, name: &str) -> Option<usize> {
        self.class_by_name.get(&(namespace, name.to_owned())).copied()
    }

    fn index_classes(&mut self) {
        let classes = || self.classes.iter().enumerate();
        self.class_by_oid = classes().map(|(index, class)| (class.oid, index)).collect();
        self.class_by_name = classes()
            .map(|(index, class)| ((class.namespace, class.name.clone()), index))
            .collect();
        self.class_by_type = classes()
            .filter(|(_, class)| class.row_type != 0)
            .flat_map(|(index, class)| [(class.row_type, index), (class.row_array, index)])
            .collect();
    }
}

impl Class {
    /// The columns with their numbers.
    pub(crate) fn columns_with_numbers(&self) -> impl Iterator<Item = (i64, &Attribute)> {
        (1..).zip(&self.columns)
    }

    /// The number and the column of a name.
    pub(crate) fn column(&self, name: &str) -> Option<(i64, &Attribute)> {
        self.columns_with_numbers()
            .find(|(_, column)| column.name == name)
    }

    /// The names of columns by their numbers.
    pub(crate) fn column_names(&self, numbers: &[i64]) -> Vec<&str> {
        let of = |number: &i64| self.columns.get(usize::try_from(number - 1).ok()?);
        numbers
            .iter()
            .filter_map(of)
            .map(|column| column.name.as_str())
            .collect()
    }

    /// Whether it has rows of its own or is computed, not an index.
    pub(crate) fn is_relation(&self) -> bool {
        self.kind != "i"
    }
}
